#include "delivery/diagnosis.h"

#include <catch2/catch.hpp>

namespace webhookd {

using namespace std::chrono_literals;

namespace {

Attempt failed(ErrorKind kind, std::string message, std::optional<int> status = std::nullopt,
               Headers headers = {}) {
  Attempt attempt;
  attempt.error = DeliveryError{kind, std::move(message)};
  attempt.response_status = status;
  attempt.response_headers = std::move(headers);
  return attempt;
}

std::string sentence(const std::vector<Attempt>& attempts, std::chrono::seconds timeout = 15s) {
  Delivery delivery;
  delivery.status = DeliveryStatus::pending;
  return diagnosis_of(delivery, attempts, timeout).value_or("nothing");
}

std::string of_status(int status, Headers headers = {}) {
  const bool redirect = status / 100 == 3;
  return sentence({failed(redirect ? ErrorKind::redirect : ErrorKind::http_status, "", status,
                          std::move(headers))});
}

}  // namespace

TEST_CASE("what went well or has not begun needs no diagnosis") {
  Delivery delivery;
  CHECK_FALSE(diagnosis_of(delivery, {}, 15s));
  const std::vector<Attempt> attempts{failed(ErrorKind::http_status, "", 500), Attempt{}};
  CHECK_FALSE(diagnosis_of(delivery, attempts, 15s));
  delivery.status = DeliveryStatus::succeeded;
  CHECK_FALSE(diagnosis_of(delivery, std::vector<Attempt>(1, attempts[0]), 15s));
}

TEST_CASE("a timeout says how often, when, and what to do") {
  const Attempt connecting = failed(ErrorKind::timeout, "timed out after 15 s while connecting");
  const Attempt waiting =
      failed(ErrorKind::timeout, "timed out after 15 s while waiting for the answer");
  CHECK(sentence({connecting, connecting}) ==
        "Every attempt timed out after 15 s while connecting; check that the receiver is up and "
        "that no firewall drops the connection.");
  CHECK(sentence({waiting, connecting}).starts_with("The last attempt timed out"));
  CHECK(sentence({waiting}) ==
        "The attempt timed out after 15 s while waiting for the answer; let the receiver answer "
        "first and work later, or raise timeout_seconds.");
  CHECK(sentence({waiting}, 60s).find("timeout_seconds") == std::string::npos);
}

TEST_CASE("a tls error says what is wrong with the certificate") {
  CHECK(sentence({failed(ErrorKind::tls, "the certificate expired on 2026-01-02")}) ==
        "The certificate expired on 2026-01-02; renew it, then retry.");
  CHECK(sentence({failed(ErrorKind::tls, "the certificate is self-signed")})
            .find("public authority") != std::string::npos);
  CHECK(sentence({failed(ErrorKind::tls, "the certificate is not valid for a.example")})
            .find("a name that the certificate holds") != std::string::npos);
}

TEST_CASE("statuses have advice of their own") {
  for (const int status : {401, 403}) {
    CHECK(of_status(status).find("the signature or the credentials in `headers`") !=
          std::string::npos);
  }
  CHECK(of_status(404).find("path") != std::string::npos);
  CHECK(of_status(410).find("disabled") != std::string::npos);
  CHECK(of_status(413).find("body limit") != std::string::npos);
  CHECK(of_status(429).find("rate_limit_per_second") != std::string::npos);
  CHECK(of_status(422).find("response_body") != std::string::npos);
  CHECK(of_status(500).find("its log") != std::string::npos);
  CHECK(of_status(502).find("proxy") != std::string::npos);
}

TEST_CASE("a redirect names the url to set, unless it cannot be shown") {
  CHECK(of_status(301, {{"location", "https://b.example/x"}}) ==
        "301: redirects are not followed; set the webhook's url to the final one: "
        "https://b.example/x");
  CHECK(of_status(302, {{"Location", "a\x1b[31mb"}}) ==
        "302: redirects are not followed; set the webhook's url to the final one.");
  CHECK(of_status(302, {{"Location", std::string(5000, 'a')}}).size() < 200);
}

TEST_CASE("the other kinds of error name what to change") {
  CHECK(
      sentence({failed(ErrorKind::dns, "the name a.example does not resolve")}) ==
      "The name a.example does not resolve; correct the webhook's url or the host's DNS records.");
  CHECK(sentence({failed(ErrorKind::connect, "192.0.2.1:80 refused the connection")}) ==
        "192.0.2.1:80 refused the connection; start the receiver, or correct the port in the "
        "webhook's url.");
  CHECK(sentence({failed(ErrorKind::blocked_address, "10.0.0.1 ... allow_networks")})
            .find("allow_networks") != std::string::npos);
  CHECK(sentence({failed(ErrorKind::protocol, "the receiver closed the connection")}).find("log") !=
        std::string::npos);
  CHECK(sentence({failed(ErrorKind::interrupted, "")}).find("sent again") != std::string::npos);
  Attempt test = failed(ErrorKind::interrupted, "");
  test.trigger = Trigger::test;
  CHECK(sentence({test}).find("send another one") != std::string::npos);
}

TEST_CASE("a delivery that expired while its webhook was paused says so") {
  Delivery delivery;
  delivery.status = DeliveryStatus::cancelled;
  delivery.error = DeliveryError{ErrorKind::expired, ""};
  CHECK(diagnosis_of(delivery, {}, 15s)->find("paused") != std::string::npos);
}

}  // namespace webhookd
