#include "api/principal.h"

#include <algorithm>

#include "api/errors.h"
#include "api/validation.h"
#include "shared/encoding.h"

namespace webhookd {
namespace {

constexpr std::size_t kMaxActor = 200;

std::string actor_of(const Claims& claims) {
  std::string subject = claims.subject.value_or("unknown").substr(0, kMaxActor);
  for (char& c : subject) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return "user:" + subject;
}

Verbs verbs_of(const std::vector<std::string>& scope) {
  const auto has = [&](std::string_view name) {
    return std::find(scope.begin(), scope.end(), name) != scope.end();
  };
  return {has("webhooks:read"), has("webhooks:write"), has("events:publish")};
}

Principal bound(const Binding& sees, const Binding& own) {
  Principal principal;
  principal.sees = sees;
  principal.own = own;
  principal.verbs = {true, true, true};
  return principal;
}

// As strict as for an id in a body: what the principal creates carries it.
void require_usable(const std::optional<std::string>& id, std::string_view claim) {
  if (!id) return;
  if (id->empty() || has_control_characters(*id, ControlCharacters::none) ||
      utf8_length(*id) > 255) {
    throw ApiError(403, "The token's " + std::string(claim) + " is no usable id");
  }
}

Principal by_role(const Claims& claims) {
  if (claims.platform_token || claims.role == "super_admin") return super_admin("");
  if (claims.role == "partner_admin") {
    if (!claims.partner_id) throw ApiError(403, "The role partner_admin needs a partner_id claim");
    const Binding partner{std::nullopt, claims.partner_id};
    return bound(partner, partner);
  }
  if (claims.role == "tenant_admin") {
    if (!claims.tenant_id) throw ApiError(403, "The role tenant_admin needs a tenant_id claim");
    return bound({claims.tenant_id, std::nullopt}, {claims.tenant_id, claims.partner_id});
  }
  if (claims.role) throw ApiError(403, "The token's role is unknown");
  if (!claims.scope) throw ApiError(403, "The token has neither a role nor a scope");
  if (!claims.tenant_id && !claims.partner_id) {
    throw ApiError(403, "A token without a role needs a tenant_id or partner_id claim");
  }
  const Binding binding{claims.tenant_id, claims.partner_id};
  return bound(binding, binding);
}

bool covers(const std::optional<std::string>& own, const std::optional<std::string>& actual) {
  return !own || own == actual;
}

// One half of bind(): an id that a bound principal wants to set.
std::optional<std::string> bind_id(const std::optional<std::string>& own, bool free,
                                   const Given<std::string>& wanted, std::string_view field) {
  if (!wanted.sent) return own;
  if (free || wanted.value == own) return wanted.value;
  if (!wanted.value) {
    throw ApiError(403, std::string(field) + " cannot be null for this principal");
  }
  throw ApiError(403, std::string(field) + " is not this principal's own");
}

void require_own(const std::optional<std::string>& own, bool free,
                 const std::optional<std::string>& wanted, std::string_view field) {
  if (wanted && !free && wanted != own) {
    throw ApiError(403, std::string(field) + " is not this principal's own");
  }
}

// A partner's principal may name any tenant: what it names carries the partner's id as well, and
// that alone decides who sees it. A tenant's principal may not name a partner that is not its own.
bool tenant_is_free(const Principal& principal) {
  return principal.reach == Principal::Reach::all || !principal.own.tenant_id;
}
bool partner_is_free(const Principal& principal) {
  return principal.reach == Principal::Reach::all;
}

void require_verb(bool allowed, std::string_view scope) {
  if (!allowed) throw ApiError(403, "This needs the scope " + std::string(scope));
}

}  // namespace

bool Principal::may_see(const Binding& resource) const {
  return covers(sees.tenant_id, resource.tenant_id) && covers(sees.partner_id, resource.partner_id);
}

Principal super_admin(std::string actor) {
  Principal principal = bound({}, {});
  principal.reach = Principal::Reach::all;
  principal.actor = std::move(actor);
  return principal;
}

Principal principal_of(const Claims& claims) {
  Principal principal = by_role(claims);
  // Who reaches everything is bound by no id, however an issuer writes that there is none.
  if (principal.reach != Principal::Reach::all) {
    require_usable(claims.tenant_id, "tenant_id");
    require_usable(claims.partner_id, "partner_id");
  }
  if (claims.scope) {
    principal.verbs = verbs_of(*claims.scope);
    principal.narrowed = true;
  }
  principal.valid_until = claims.valid_until;
  principal.actor = actor_of(claims);
  return principal;
}

void require(const Principal& principal, Access access) {
  const bool is_super = principal.reach == Principal::Reach::all;
  switch (access) {
    case Access::open:
    case Access::authenticated:
      return;
    case Access::read:
      return require_verb(principal.verbs.read, "webhooks:read");
    case Access::write:
      return require_verb(principal.verbs.write, "webhooks:write");
    case Access::publish:
      return require_verb(principal.verbs.publish, "events:publish");
    case Access::super_read:
      if (!is_super) throw ApiError(403, "This needs the role super_admin");
      return require_verb(principal.verbs.read, "webhooks:read");
    case Access::super_write:
      if (!is_super) throw ApiError(403, "This needs the role super_admin");
      return require_verb(principal.verbs.write, "webhooks:write");
  }
}

Binding bind(const Principal& principal, const Given<std::string>& tenant,
             const Given<std::string>& partner) {
  return {bind_id(principal.own.tenant_id, tenant_is_free(principal), tenant, "tenant_id"),
          bind_id(principal.own.partner_id, partner_is_free(principal), partner, "partner_id")};
}

Binding narrow(const Principal& principal, const std::optional<std::string>& tenant,
               const std::optional<std::string>& partner) {
  require_own(principal.own.tenant_id, tenant_is_free(principal), tenant, "tenant_id");
  require_own(principal.own.partner_id, partner_is_free(principal), partner, "partner_id");
  Binding shown = principal.sees;
  if (tenant) shown.tenant_id = tenant;
  if (partner) shown.partner_id = partner;
  return shown;
}

}  // namespace webhookd
