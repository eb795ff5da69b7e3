#pragma once

// JSON cut into pieces without a DOM, since a DOM loses digits and spelling.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace webhookd {

// The elements of a JSON array, byte for byte. `array` is valid JSON; of a value that is no array
// none. The views point into it.
std::vector<std::string_view> raw_elements(std::string_view array);

// The members of a JSON object: the name as it is spelled, without its quotes, and the value.
// `object` is valid JSON; of a value that is no object none.
std::vector<std::pair<std::string_view, std::string_view>> raw_members(std::string_view object);

// Valid JSON without white space outside its strings: one line.
std::string compact_json(std::string_view json);

// Whether brackets nest deeper than anything that we are told by a webhookd: a DOM of it is walked
// by recursion, and would overflow the stack. `json` may be anything.
bool nests_too_deep(std::string_view json);

// JSON with "***" for what nobody may see in a log: members whose names look secret, the
// values of all headers, and what an error repeats of a request. Text that is no JSON comes back as
// its length in words.
std::string masked_json(std::string_view json);

}  // namespace webhookd
