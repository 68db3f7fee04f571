/* Reeve policies in C: everything a policy uses.
 *
 * A policy is one or more functions named after the hooks they answer (reeve/hooks.h); `policy.toml` names the same hooks. What a
 * call allocates is gone with its instance when the call ends, so nothing here needs to be freed.
 *
 *     #include "reeve.h"
 *
 *     // No domain may have more than 64 vCPUs.
 *     reeve_answer domain_define(const reeve_context *ctx, reeve_domain domain) {
 *         uint32_t vcpus = reeve_domain_vcpus(domain);
 *         return vcpus <= 64 ? reeve_allow() : reeve_deny("%u vCPUs; this host allows 64 at most", vcpus);
 *     }
 */
#ifndef REEVE_H
#define REEVE_H

#include "reeve/answer.h"
#include "reeve/config.h"
#include "reeve/context.h"
#include "reeve/domain.h"
#include "reeve/domains.h"
#include "reeve/filter.h"
#include "reeve/hooks.h"
#include "reeve/host.h"
#include "reeve/kv.h"
#include "reeve/log.h"
#include "reeve/migration.h"
#include "reeve/networks.h"
#include "reeve/rules.h"
#include "reeve/storage.h"
#include "reeve/text.h"

#endif
