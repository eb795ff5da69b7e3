#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/api.h"
#include "api/http.h"
#include "api/jwt.h"
#include "api/key_set.h"
#include "api/principal.h"

namespace webhookd {

// Absent for an empty name. Throws std::runtime_error, a sentence with the name, when there is no
// such group.
std::optional<gid_t> find_group(const std::string& name);

// Says who is asking: by the kernel's word on the Unix socket, by Bearer token elsewhere.
// Thread-safe.
class Authenticator {
 public:
  // Reads (or makes) the keys that `options` names and looks up its group. Throws
  // std::runtime_error with a sentence that names the file or group. `clock` must outlive it.
  Authenticator(const ApiOptions& options, const Clock& clock, Random& random);

  // Throws ApiError: 401 without a valid token, 403 for a peer or claims without any rights.
  // An administrator who sends a token on the socket acts with the token's rights only.
  Principal authenticate(const HttpRequest& request);

  // The same without verifying anything, for a token that has been verified before or a peer
  // without one. Absent when authenticate() has to say.
  std::optional<Principal> recognise(const HttpRequest& request);

  // A token of the daemon's own for `claims` (a JSON object's text).
  std::string mint(std::string_view claims) const;

  std::optional<gid_t> admin_group() const { return admin_group_; }

 private:
  // A token that was verified, and with what: while that holds it need not be verified again.
  struct Known {
    Claims claims;
    Timestamp since;
    std::optional<std::string> kid;
    KeySet::Keys keys;  // null: the daemon's own key
  };

  bool is_administrator(const PeerCredentials& peer) const;
  Principal by_token(std::string_view authorization);
  Known verify(std::string_view token);
  std::shared_ptr<const Known> recall(const std::string& fingerprint);
  void remember(const std::string& fingerprint, Known known);

  const Clock& clock_;
  const JwtRules rules_;
  const std::optional<gid_t> admin_group_;
  const std::string own_secret_;
  const std::vector<VerificationKey> own_key_;
  std::unique_ptr<KeySet> key_set_;  // null: own tokens only

  std::mutex known_mutex_;
  // By the token's SHA-256. Guarded by known_mutex_.
  std::unordered_map<std::string, std::shared_ptr<const Known>> known_;
};

}  // namespace webhookd
