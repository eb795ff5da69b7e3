#include "delivery/curl_faults.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/x509_vfy.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "shared/time.h"

namespace webhookd {
namespace {

std::string_view phrase(SendPhase phase) {
  switch (phase) {
    case SendPhase::resolving:
      return "while resolving the name";
    case SendPhase::connecting:
      return "while connecting";
    case SendPhase::tls_handshake:
      return "during the TLS handshake";
    case SendPhase::sending:
      return "while sending the request";
    case SendPhase::waiting:
      return "while waiting for the answer";
    case SendPhase::reading:
      return "while reading the answer";
  }
  return "";
}

std::string date_text(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "an unknown date";
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

std::string certificate_fault(X509_STORE_CTX* context) {
  const int error = X509_STORE_CTX_get_error(context);
  const X509* const certificate = X509_STORE_CTX_get_current_cert(context);
  const bool leaf = X509_STORE_CTX_get_error_depth(context) == 0;
  const std::string_view which = leaf ? "the certificate" : "a certificate of the chain";
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fmt::format("{} expired on {}", which, date_text(X509_get0_notAfter(certificate)));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("{} is not valid before {}", which,
                         date_text(X509_get0_notBefore(certificate)));
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return "the certificate is self-signed";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "the certificate is not signed by an authority that is trusted here";
    default:
      return fmt::format("the certificate is refused: {}", X509_verify_cert_error_string(error));
  }
}

int fault_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int on_certificate(int accepted, X509_STORE_CTX* context) {
  if (accepted == 1) return accepted;
  const auto* const ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const fault = static_cast<std::optional<std::string>*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), fault_index()));
  *fault = certificate_fault(context);
  return accepted;
}

DeliveryError protocol(std::string message) { return {ErrorKind::protocol, std::move(message)}; }

DeliveryError connect_fault(const FaultDetail& detail) {
  const auto error = static_cast<int>(detail.os_error);
  const std::string_view reason = [error]() -> std::string_view {
    switch (error) {
      case ECONNREFUSED:
        return "refused the connection";
      case ENETUNREACH:
      case EHOSTUNREACH:
        return "cannot be reached: there is no route to it";
      case ECONNRESET:
        return "reset the connection while it was being made";
      case EADDRNOTAVAIL:
        return "cannot be reached: this machine has no free local port";
      case EMFILE:
      case ENFILE:
        return "cannot be reached: the daemon has too many open files";
      default:
        return "does not accept connections";
    }
  }();
  return {ErrorKind::connect, fmt::format("{} {}", detail.address, reason)};
}

DeliveryError tls_fault(CURLcode code, const FaultDetail& detail) {
  if (detail.certificate_fault) return {ErrorKind::tls, *detail.certificate_fault};
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return {ErrorKind::tls, fmt::format("the certificate is not valid for {}", detail.host)};
    case CURLE_SSL_CACERT_BADFILE:
      return {ErrorKind::tls, "the file of trusted authorities cannot be read"};
    default:
      return {ErrorKind::tls, fmt::format("{} broke off the TLS handshake", detail.address)};
  }
}

DeliveryError broken_off(const FaultDetail& detail) {
  const std::string_view when =
      detail.answer_began ? "before the answer was complete" : "without an answer";
  const std::string_view how = detail.os_error == ECONNRESET ? "reset" : "closed";
  return protocol(fmt::format("the receiver {} the connection {}", how, when));
}

}  // namespace

DeliveryError timeout_fault(std::chrono::milliseconds timeout, SendPhase phase) {
  return {ErrorKind::timeout,
          fmt::format("timed out after {} {}", format_duration(timeout), phrase(phase))};
}

DeliveryError headers_too_large_fault() {
  return protocol("the answer has more than 256 KiB or 1000 lines of headers");
}

DeliveryError curl_fault(CURLcode code, const FaultDetail& detail) {
  // curl has a hundred codes; what is not named here can only be an answer that makes no sense.
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return {ErrorKind::dns, fmt::format("the name {} does not resolve", detail.host)};
    case CURLE_COULDNT_CONNECT:
      return connect_fault(detail);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return tls_fault(code, detail);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return broken_off(detail);
    case CURLE_OUT_OF_MEMORY:  // how curl puts that one line exceeds its own bound
      return headers_too_large_fault();
    default:
      return protocol("the receiver's answer is not valid HTTP/1.1");
  }
}

void watch_certificates(SSL_CTX* context, std::optional<std::string>& fault) {
  SSL_CTX_set_ex_data(context, fault_index(), &fault);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_certificate);
  // A second handshake later would report to a transfer that is long over.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
}

int port_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    return ntohs(in.sin_port);
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    return ntohs(in.sin6_port);
  }
  return 0;
}

}  // namespace webhookd
