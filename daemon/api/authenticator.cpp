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
#include "shared/encoding.h"

namespace webhookd {
namespace {

constexpr std::size_t kMostKnown = 1024;

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

std::optional<Principal> Authenticator::recognise(const HttpRequest& request) {
  if (request.peer && !is_administrator(*request.peer)) return std::nullopt;
  std::optional<std::string_view> token;
  for (const auto& [name, value] : request.headers) {
    if (name != "authorization") continue;
    if (token) return std::nullopt;
    token = bearer_token(value);
    if (!token) return std::nullopt;
  }
  if (!token) {
    if (!request.peer) return std::nullopt;
    return super_admin(fmt::format("uid:{}", request.peer->uid));
  }
  const auto known = recall(sha256(*token));
  if (!known) return std::nullopt;
  return principal_of(known->claims);
}

Principal Authenticator::by_token(std::string_view authorization) {
  const auto token = bearer_token(authorization);
  if (!token) refuse("A Bearer token is needed", "Bearer");
  // Not the token itself: how long a look-up takes must tell nothing of one.
  const std::string fingerprint = sha256(*token);
  if (const auto known = recall(fingerprint)) return principal_of(known->claims);
  Known verified = verify(*token);
  Principal principal = principal_of(verified.claims);
  remember(fingerprint, std::move(verified));
  return principal;
}

Authenticator::Known Authenticator::verify(std::string_view token) {
  Known known;
  known.since = clock_.now();
  known.kid = kid_of(token);
  std::variant<Claims, JwtFault> verified = JwtFault{"No key fits the token"};
  // The daemon's own tokens name its own key, and need not satisfy what is asked of others'.
  if (known.kid == kOwnKeyId) {
    verified = verify_jwt(token, own_key_, {std::string(kOwnIssuer), std::nullopt}, known.since);
  }
  if (std::holds_alternative<JwtFault>(verified) && key_set_) {
    known.keys = key_set_->keys_for(known.kid, clock_.monotonic());
    auto by_set = verify_jwt(token, *known.keys, rules_, known.since);
    if (std::holds_alternative<Claims>(by_set) || known.kid != kOwnKeyId) {
      verified = std::move(by_set);
    }
  }
  if (const auto* fault = std::get_if<JwtFault>(&verified)) {
    refuse(fault->reason, R"(Bearer error="invalid_token")");
  }
  known.claims = std::get<Claims>(std::move(verified));
  return known;
}

// Null also when its time is over, the clock was set back, or the keys are others now.
std::shared_ptr<const Authenticator::Known> Authenticator::recall(const std::string& fingerprint) {
  std::shared_ptr<const Known> known;
  {
    const std::lock_guard lock(known_mutex_);
    const auto found = known_.find(fingerprint);
    if (found == known_.end()) return nullptr;
    known = found->second;
  }
  const Timestamp now = clock_.now();
  if (now < known->since || now >= known->claims.valid_until) return nullptr;
  if (known->keys && key_set_->keys_for(known->kid, clock_.monotonic()) != known->keys) {
    return nullptr;
  }
  return known;
}

void Authenticator::remember(const std::string& fingerprint, Known known) {
  const std::lock_guard lock(known_mutex_);
  if (known_.size() >= kMostKnown) known_.clear();
  known_[fingerprint] = std::make_shared<const Known>(std::move(known));
}

std::string Authenticator::mint(std::string_view claims) const {
  return sign_hs256(own_secret_, kOwnKeyId, claims);
}

}  // namespace webhookd
