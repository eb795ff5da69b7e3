#pragma once

// Who may do what (contract section 2.5).

#include <optional>
#include <string>
#include <vector>

#include "api/router.h"
#include "api/validation.h"
#include "shared/model.h"
#include "shared/time.h"

namespace webhookd {

// What a verified token says about its bearer.
struct Claims {
  std::optional<std::string> subject;
  std::optional<std::string> role;       // a claim that is no string comes as "?", which is no role
  std::optional<std::string> tenant_id;  // a claim that is no string comes as "", which is no id
  std::optional<std::string> partner_id;          // likewise
  bool platform_token = false;                    // true only for the boolean true
  std::optional<std::vector<std::string>> scope;  // absent: the claim is absent
  Timestamp valid_until;                          // by its expiry, leeway included
};

struct Verbs {
  bool read = false;
  bool write = false;
  bool publish = false;
};

// Parsed once a request; trusted from there on.
struct Principal {
  enum class Reach { all, bound };
  Reach reach = Reach::bound;
  Binding sees;  // set ids must equal a resource's; both unset only with Reach::all
  Binding own;   // what it may name, and what it creates takes when the body is silent
  Verbs verbs;
  bool narrowed = false;                 // by a scope
  std::optional<Timestamp> valid_until;  // of a token
  std::string actor;                     // for the audit log

  bool may_see(const Binding& resource) const;
};

// The principal of a local administrator.
Principal super_admin(std::string actor);

// Throws ApiError 403 for claims that add up to no principal.
Principal principal_of(const Claims& claims);

// Throws ApiError 403.
void require(const Principal& principal, Access access);

// The binding of what a principal creates or publishes: `tenant` and `partner` as the body has
// them. Throws ApiError 403 when it names what is not its own, or nulls its own.
Binding bind(const Principal& principal, const Given<std::string>& tenant,
             const Given<std::string>& partner);

// What a listing shows: what the principal sees, narrowed by what the caller asked for. Throws
// ApiError 403 when that is not its own.
Binding narrow(const Principal& principal, const std::optional<std::string>& tenant,
               const std::optional<std::string>& partner);

}  // namespace webhookd
