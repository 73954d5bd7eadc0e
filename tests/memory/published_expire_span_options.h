#pragma once

#include "memory/expire_span.h"
#include "tests/memory/published_model.h"
#include "tests/memory/reference_case.h"

namespace lethe::memory {

/// The options with which a case of the Expire-Span family was computed.
inline ExpireSpanOptions PublishedExpireSpanOptions(const ReferenceCase& c) {
  ExpireSpanOptions o;
  SetPublishedOptions(c, o);
  o.span_limit = c.Get<double>("attn_lim");
  o.ramp = c.Get<double>("expire_span_ramp");
  o.positions = c.Get<int64_t>("mem_sz");
  o.span_pre_division = c.Get<double>("expire_span_pre_div");
  return o;
}

}  // namespace lethe::memory
