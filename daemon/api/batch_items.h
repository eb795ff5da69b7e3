#pragma once

// A batch cut into its events, without a look at what they hold. Views into the body.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace webhookd {

struct BatchItem {
  std::string_view text;
  std::int64_t place = 0;  // a line's number, from 1; an array's index, from 0
};

// The lines that are not blank, at most `most` of them.
std::vector<BatchItem> batch_lines(std::string_view body, std::size_t most);

// The items of a JSON array, at most `most` of them. Absent when the body is no array that ends
// where its last item does. An item that is no JSON may hold anything but the comma that ends it.
std::optional<std::vector<BatchItem>> batch_array(std::string_view body, std::size_t most);

}  // namespace webhookd
