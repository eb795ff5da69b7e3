#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "delivery/exchange.h"
#include "delivery/raw_receiver.h"

namespace webhookd {
namespace {

// A file with `text`, gone at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text) {
    std::string name = (std::filesystem::temp_directory_path() / "certificate-XXXXXX").string();
    const int fd = mkstemp(name.data());
    REQUIRE(fd >= 0);
    close(fd);
    path_ = name;
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("TLS to an authority that is trusted works, with its time taken") {
  TestCertificate certificate = make_certificate(-1, 1);
  const TemporaryFile authorities(certificate.pem);
  const RawReceiver receiver(answer_with(std::string{kNoContent}), std::move(certificate.server));
  CurlSenderOptions options;
  options.ca_file = authorities.path();
  Exchange exchange(kLoopback, options);
  const SendResult result = exchange.send(receiver.url());
  CHECK_FALSE(result.error);
  CHECK(result.status == 204);
  CHECK(result.timings.tls);
}

TEST_CASE("a self-signed certificate is a tls error") {
  const RawReceiver receiver(answer_with(std::string{kNoContent}), make_certificate(-1, 1).server);
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(kind_of(result) == ErrorKind::tls);
  CHECK(result.error->message == "the certificate is self-signed");
}

TEST_CASE("an expired certificate is a tls error that says since when") {
  TestCertificate certificate = make_certificate(-20, -10);
  const TemporaryFile authorities(certificate.pem);
  const RawReceiver receiver(answer_with(std::string{kNoContent}), std::move(certificate.server));
  CurlSenderOptions options;
  options.ca_file = authorities.path();
  Exchange exchange(kLoopback, options);
  const std::string day =
      format_rfc3339(exchange.clock().now() - std::chrono::days{10}).substr(0, 10);
  const SendResult result = exchange.send(receiver.url());
  CHECK(kind_of(result) == ErrorKind::tls);
  CHECK(result.error->message == "the certificate expired on " + day);
}

TEST_CASE("a certificate for another name is a tls error that names ours") {
  TestCertificate certificate = make_certificate(-1, 1, "DNS:elsewhere.example");
  const TemporaryFile authorities(certificate.pem);
  const RawReceiver receiver(answer_with(std::string{kNoContent}), std::move(certificate.server));
  CurlSenderOptions options;
  options.ca_file = authorities.path();
  Exchange exchange(kLoopback, options);
  const SendResult result = exchange.send(receiver.url("/", "localhost"));
  CHECK(kind_of(result) == ErrorKind::tls);
  CHECK(result.error->message == "the certificate is not valid for localhost");
}

TEST_CASE("plain HTTP where TLS was expected is a tls error") {
  const RawReceiver receiver([](RawConnection& connection) {
    connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    connection.wait_until_closed();
  });
  Exchange exchange;
  const std::string url = "https" + receiver.url().substr(4);
  CHECK(kind_of(exchange.send(url)) == ErrorKind::tls);
}

TEST_CASE("a TLS handshake that hangs is named, and TCP's time is known") {
  const RawReceiver receiver([](RawConnection& connection) { connection.wait_until_closed(); });
  Exchange exchange;
  const SendResult result =
      exchange.send("https://127.0.0.1:" + std::to_string(receiver.port()) + "/", 300ms);
  CHECK(kind_of(result) == ErrorKind::timeout);
  CHECK(result.error->message.find("TLS") != std::string::npos);
  CHECK(result.timings.connect);
  CHECK_FALSE(result.timings.tls);
}

TEST_CASE("a failed handshake has a connect time") {
  const RawReceiver receiver(answer_with(std::string{kNoContent}), make_certificate(-1, 1).server);
  Exchange exchange;
  CHECK(exchange.send(receiver.url()).timings.connect);
}

}  // namespace webhookd
