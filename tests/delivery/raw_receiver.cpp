#include "delivery/raw_receiver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>

namespace webhookd {
namespace {

void check(bool fine, const char* what) {
  if (!fine) throw std::runtime_error(what);
}

std::size_t content_length(const std::string& head) {
  const auto at = head.find("Content-Length: ");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
}

}  // namespace

RawConnection::RawConnection(int fd, SSL_CTX* tls) : fd_(fd) {
  if (tls == nullptr) return;
  ssl_ = SSL_new(tls);
  SSL_set_fd(ssl_, fd_);
  handshake_done_ = SSL_accept(ssl_) == 1;
}

RawConnection::~RawConnection() { SSL_free(ssl_); }

long RawConnection::read_some(char* buffer, std::size_t size) {
  if (!handshake_done_) return 0;
  if (ssl_ != nullptr) return SSL_read(ssl_, buffer, static_cast<int>(size));
  return recv(fd_, buffer, size, 0);
}

std::optional<std::string> RawConnection::read_request() {
  std::string request = std::exchange(left_over_, {});
  std::array<char, 16384> buffer{};
  for (;;) {
    const auto head_end = request.find("\r\n\r\n");
    if (head_end != std::string::npos) {
      const std::size_t length = head_end + 4 + content_length(request.substr(0, head_end + 2));
      if (request.size() >= length) {
        left_over_ = request.substr(length);
        return request.substr(0, length);
      }
    }
    const long got = read_some(buffer.data(), buffer.size());
    if (got <= 0) return std::nullopt;
    request.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

bool RawConnection::write(std::string_view bytes) {
  if (!handshake_done_) return false;
  while (!bytes.empty()) {
    const long sent = ssl_ != nullptr
                          ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                          : send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawConnection::wait_until_closed() {
  std::array<char, 4096> buffer{};
  while (read_some(buffer.data(), buffer.size()) > 0) {
  }
}

void RawConnection::reset() {
  const linger at_once{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

RawReceiver::RawReceiver(Serve serve, SslContext tls)
    : serve_(std::move(serve)), tls_(std::move(tls)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(listener_ >= 0, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const plain = reinterpret_cast<sockaddr*>(&address);
  check(bind(listener_, plain, sizeof address) == 0, "bind");
  check(listen(listener_, 128) == 0, "listen");
  socklen_t size = sizeof address;
  check(getsockname(listener_, plain, &size) == 0, "getsockname");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

RawReceiver::~RawReceiver() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
}

void RawReceiver::accept_all() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::lock_guard lock(mutex_);
    ++accepted_;
    open_.push_back(fd);
    threads_.emplace_back([this, fd] {
      {
        RawConnection connection(fd, tls_.get());
        serve_(connection);
      }
      const std::lock_guard closing(mutex_);
      std::erase(open_, fd);
      close(fd);
      ++closed_;
    });
  }
}

std::string RawReceiver::url(std::string_view path, std::string_view host) const {
  return std::string{tls_ ? "https://" : "http://"}
      .append(host)
      .append(":")
      .append(std::to_string(port_))
      .append(path);
}

int RawReceiver::connections() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}

int RawReceiver::closed_connections() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

RawReceiver::Serve answer_with(std::string answer) {
  return [answer = std::move(answer)](RawConnection& connection) {
    while (connection.read_request()) {
      if (!connection.write(answer)) return;
    }
  };
}

TestCertificate make_certificate(int valid_from_day, int valid_to_day, std::string_view names) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  constexpr long kDay = 24 * 60 * 60;
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), valid_from_day * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), valid_to_day * kDay);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  const std::string common_name = "receiver of a test";
  X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate.get(), subject);
  X509_EXTENSION* const extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, std::string{names}.c_str());
  X509_add_ext(certificate.get(), extension, -1);
  X509_EXTENSION_free(extension);
  check(X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0, "X509_sign");

  TestCertificate made;
  made.server.reset(SSL_CTX_new(TLS_server_method()));
  check(SSL_CTX_use_certificate(made.server.get(), certificate.get()) == 1, "use certificate");
  check(SSL_CTX_use_PrivateKey(made.server.get(), key.get()) == 1, "use key");
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_X509(text.get(), certificate.get());
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(text.get(), &bytes);
  made.pem.assign(bytes, static_cast<std::size_t>(length));
  return made;
}

}  // namespace webhookd
