#pragma once

#include <memory>
#include <string>

#include "delivery/address_guard.h"
#include "delivery/sender.h"
#include "shared/time.h"

namespace webhookd {

struct CurlSenderOptions {
  std::string ca_file;   // empty: the system's authorities
  int most_idle = 8192;  // connections kept for use again; >= 1
  int lookups_per_host = 8;
  int lookups = 512;
};

// HTTP/1.1 with libcurl, on the calling thread and an epoll set of its own; certificates are
// verified and addresses judged by `guard`. `guard` and `clock` must outlive it. Throws
// std::system_error or std::bad_alloc when the system refuses.
std::unique_ptr<Sender> make_curl_sender(const CurlSenderOptions& options,
                                         const AddressGuard& guard, const Clock& clock);

}  // namespace webhookd
