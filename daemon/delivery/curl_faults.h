#pragma once

// What went wrong below HTTP, as people say it.

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <string>

#include "shared/model.h"

namespace webhookd {

enum class SendPhase { resolving, connecting, tls_handshake, sending, waiting, reading };

// "timed out after 15 s while connecting"
DeliveryError timeout_fault(std::chrono::milliseconds timeout, SendPhase phase);
DeliveryError headers_too_large_fault();

struct FaultDetail {
  std::string host;
  std::string address;  // the one that was tried, or the host
  std::optional<std::string> certificate_fault;
  bool answer_began = false;
  long os_error = 0;  // errno
};

// For every code but CURLE_OK, timeouts and what our own callbacks stopped.
DeliveryError curl_fault(CURLcode code, const FaultDetail& detail);

// Writes to `fault` why a certificate is refused ("the certificate expired on 2026-01-02").
// `fault` must outlive every handshake under `context`.
void watch_certificates(SSL_CTX* context, std::optional<std::string>& fault);

// Of an IPv4 or IPv6 socket address; 0 for others.
int port_of(const sockaddr& address);

}  // namespace webhookd
