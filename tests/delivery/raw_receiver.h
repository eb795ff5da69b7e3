#pragma once

// A TCP receiver for tests that says exactly the bytes it is told to.

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace webhookd {

struct SslContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextDeleter>;

class RawConnection {
 public:
  RawConnection(int fd, SSL_CTX* tls);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // Head and body (by Content-Length); absent when the other side has closed.
  std::optional<std::string> read_request();
  // False when the other side has closed.
  bool write(std::string_view bytes);
  void wait_until_closed();
  // Ends the connection with a TCP reset.
  void reset();

 private:
  long read_some(char* buffer, std::size_t size);

  int fd_;
  SSL* ssl_ = nullptr;
  bool handshake_done_ = true;
  std::string left_over_;
};

// Serves each connection on a thread of its own, on 127.0.0.1. The destructor closes them all.
class RawReceiver {
 public:
  using Serve = std::function<void(RawConnection&)>;
  explicit RawReceiver(Serve serve, SslContext tls = nullptr);
  ~RawReceiver();
  RawReceiver(const RawReceiver&) = delete;
  RawReceiver& operator=(const RawReceiver&) = delete;

  int port() const { return port_; }
  std::string url(std::string_view path = "/hook", std::string_view host = "127.0.0.1") const;
  int connections() const;
  // Those that are over.
  int closed_connections() const;

 private:
  void accept_all();

  const Serve serve_;
  const SslContext tls_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<int> open_;  // guarded by mutex_
  std::vector<std::thread> threads_;
  int accepted_ = 0;  // guarded by mutex_
  int closed_ = 0;    // guarded by mutex_
  std::thread acceptor_;
};

// Answers every request of a connection with `answer`.
RawReceiver::Serve answer_with(std::string answer);

// A certificate for 127.0.0.1 and localhost, signed by itself.
struct TestCertificate {
  SslContext server;
  std::string pem;
};
// Days count from now; negative: past.
TestCertificate make_certificate(int valid_from_day, int valid_to_day,
                                 std::string_view names = "IP:127.0.0.1,DNS:localhost");

}  // namespace webhookd
