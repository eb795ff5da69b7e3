#include "api/authenticator.h"

#include <fmt/format.h>
#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>

#include "api/errors.h"
#include "api/token_key.h"

namespace webhookd {
namespace {

[[noreturn]] void refuse(const std::string& detail, std::string_view challenge) {
  throw ApiError(401, detail, {{"WWW-Authenticate", std::string(challenge)}});
}

// The token of "Bearer <token>" (RFC 6750 section 2.1); the scheme in any case.
std::optional<std::string_view> bearer_token(std::string_view value) {
  constexpr std::string_view kScheme = "bearer ";
  if (value.size() <= kScheme.size()) return std::nullopt;
  const bool is_bearer =
      std::equal(kScheme.begin(), kScheme.end(), value.begin(), [](char expected, char actual) {
        return expected == std::tolower(static_cast<unsigned char>(actual));
      });
  if (!is_bearer) return std::nullopt;
  value.remove_prefix(kScheme.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  return value;
}

}  // namespace

std::optional<gid_t> find_group(const std::string& name) {
  if (name.empty()) return std::nullopt;
  std::array<char, 16 * 1024> buffer{};
  struct group entry {};
  struct group* found = nullptr;
  if (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    throw std::runtime_error(fmt::format(
        "there is no group \"{}\": make it with groupadd, or change --admin-group", name));
  }
  return found->gr_gid;
}

Authenticator::Authenticator(const ApiOptions& options, const Clock& clock, Random& random)
    : clock_(clock),
      rules_{options.issuer, options.audience},
      admin_group_(find_group(options.admin_group)),
      own_secret_(load_token_key(options.token_key, random)),
      own_key_{VerificationKey::symmetric(std::string(kOwnKeyId), own_secret_)} {
  if (options.jwks_file) {
    key_set_ = std::make_unique<KeySet>(*options.jwks_file, clock.monotonic());
  }
}

bool Authenticator::is_administrator(const PeerCredentials& peer) const {
  if (peer.uid == 0 || peer.uid == ::geteuid()) return true;
  if (!admin_group_) return false;
  return peer.gid == *admin_group_ ||
         std::find(peer.groups.begin(), peer.groups.end(), *admin_group_) != peer.groups.end();
}

Principal Authenticator::authenticate(const HttpRequest& request) {
  const auto count =
      std::count_if(request.headers.begin(), request.headers.end(),
                    [](const auto& header) { return header.first == "authorization"; });
  if (request.peer && !is_administrator(*request.peer)) {
    throw ApiError(403, "This user is neither an administrator of the daemon nor in its group");
  }
  if (count == 0) {
    if (request.peer) return super_admin(fmt::format("uid:{}", request.peer->uid));
    refuse("Not authenticated", "Bearer");
  }
  if (count > 1) refuse("More than one Authorization header", "Bearer");
  return by_token(*request.header("authorization"));
}

Principal Authenticator::by_token(std::string_view authorization) {
  const auto token = bearer_token(authorization);
  if (!token) refuse("A Bearer token is needed", "Bearer");
  std::variant<Claims, JwtFault> verified = JwtFault{"No key fits the token"};
  // The daemon's own tokens name its own key, and need not satisfy what is asked of others'.
  const std::optional<std::string> kid = kid_of(*token);
  if (kid == kOwnKeyId) {
    verified = verify_jwt(*token, own_key_, {std::string(kOwnIssuer), std::nullopt}, clock_.now());
  }
  if (std::holds_alternative<JwtFault>(verified) && key_set_) {
    const KeySet::Keys keys = key_set_->keys_for(kid, clock_.monotonic());
    auto by_set = verify_jwt(*token, *keys, rules_, clock_.now());
    if (std::holds_alternative<Claims>(by_set) || kid != kOwnKeyId) {
      verified = std::move(by_set);
    }
  }
  if (const auto* fault = std::get_if<JwtFault>(&verified)) {
    refuse(fault->reason, R"(Bearer error="invalid_token")");
  }
  return principal_of(std::get<Claims>(verified));
}

std::string Authenticator::mint(std::string_view claims) const {
  return sign_hs256(own_secret_, kOwnKeyId, claims);
}

}  // namespace webhookd
