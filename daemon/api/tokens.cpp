#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>

#include "api/call.h"
#include "api/request_body.h"
#include "api/resources.h"
#include "api/token_key.h"
#include "shared/encoding.h"

namespace webhookd {
namespace {

constexpr std::int64_t kDefaultTtl = 3600;
constexpr std::int64_t kMaxTtl = 365 * 86'400;
constexpr TextRule kId{1, 255};

struct TokenBody {
  std::optional<std::string> role;
  std::optional<std::string> tenant_id;
  std::optional<std::string> partner_id;
  std::optional<std::string> scope;
  std::int64_t ttl = kDefaultTtl;
};

// A token that could do nothing is a mistake, and is better told now than by a 403 later.
void check_reach(Fields& fields, const CanonicalObject& object, const TokenBody& body,
                 Faults& faults) {
  const auto need = [&](std::string_view field) {
    faults.add(fault::missing(fields.loc_of(field), canonical_text(object)));
  };
  if (body.role == "tenant_admin" && !body.tenant_id) need("tenant_id");
  if (body.role == "partner_admin" && !body.partner_id) need("partner_id");
  if (!body.role && !body.scope && (body.tenant_id || body.partner_id)) need("role");
  if (!body.role && body.scope && !body.tenant_id && !body.partner_id) need("tenant_id");
}

void check_scope(Fields& fields, const std::string& scope) {
  std::istringstream words(scope);
  for (std::string word; words >> word;) {
    if (word != "webhooks:read" && word != "webhooks:write" && word != "events:publish") {
      fields.refuse("scope", "the scopes are webhooks:read, webhooks:write and events:publish");
      return;
    }
  }
}

TokenBody parse_token(const CanonicalObject& object) {
  Faults faults;
  Fields fields(object, {std::string("body")}, faults);
  TokenBody body;
  body.role =
      fields.literal("role", Presence::nullable, {"super_admin", "partner_admin", "tenant_admin"})
          .value;
  body.tenant_id = fields.text("tenant_id", Presence::nullable, kId).value;
  body.partner_id = fields.text("partner_id", Presence::nullable, kId).value;
  body.scope = fields.text("scope", Presence::nullable, {1, 200}).value;
  if (body.scope) check_scope(fields, *body.scope);
  body.ttl =
      fields.integer("ttl_seconds", Presence::nullable, {1, kMaxTtl}).value.value_or(kDefaultTtl);
  fields.refuse_unknown();
  if (faults.empty()) check_reach(fields, object, body, faults);
  faults.check();
  // Nothing said at all: what the socket itself gives.
  if (!body.role && !body.scope) body.role = "super_admin";
  return body;
}

std::string claims_text(const Call& call, const TokenBody& body, Timestamp expires) {
  Json claims = {{"iss", kOwnIssuer},
                 {"sub", call.principal.actor},
                 {"iat", unix_seconds(call.now())},
                 {"exp", unix_seconds(expires)},
                 {"jti", hex_encode(call.services.random.bytes(8))}};
  if (body.role) claims["role"] = *body.role;
  if (body.tenant_id) claims["tenant_id"] = *body.tenant_id;
  if (body.partner_id) claims["partner_id"] = *body.partner_id;
  if (body.scope) claims["scope"] = *body.scope;
  return claims.dump();
}

// What the token can do, and never the token itself.
std::string audit_detail(const TokenBody& body) {
  const auto or_null = [](const std::optional<std::string>& text) {
    return text ? Json(*text) : Json();
  };
  return Json{{"role", or_null(body.role)},
              {"tenant_id", or_null(body.tenant_id)},
              {"partner_id", or_null(body.partner_id)},
              {"scope", or_null(body.scope)},
              {"ttl_seconds", body.ttl}}
      .dump();
}

HttpResponse mint(Call& call) {
  if (!call.request.peer) {
    throw ApiError(403, "Tokens are made on the daemon's Unix socket only");
  }
  // What is narrowed to some verbs must not make a token for all of them.
  if (call.principal.narrowed) throw ApiError(403, "A token with a scope cannot make tokens");
  const TokenBody body = parse_token(parse_body(call.request, BodyNeed::optional));
  call.services.store.add_audit("token.create", audit_detail(body), call.change_context());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(call.now());
  const Timestamp expires = seconds + std::chrono::seconds{body.ttl};
  return json_response(
      200, {{"token", call.services.authenticator.mint(claims_text(call, body, expires))},
            {"expires_at", format_rfc3339(expires)}});
}

}  // namespace

std::vector<Route> token_routes() {
  return {{"POST", "/api/v1/admin/tokens", Access::super_write, mint}};
}

}  // namespace webhookd
