#pragma once

// Which keys a row's queries see, and when. Like simd.h, compiled once per machine: see there for LETHE_ISA.

#include "memory/kernels/expire_attention.h"
#include "memory/kernels/simd.h"
#include "memory/kernels/span_mask.h"

namespace lethe::memory::LETHE_ISA {

/// Cuts the caller's scratch into arrays, each on a line of its own. With a null start it only measures.
struct Arena {
  char* start;
  int64_t used = 0;
  template <class U>
  U* Take(int64_t n) {
    U* p = start == nullptr ? nullptr : reinterpret_cast<U*>(start + used);
    used += (n * static_cast<int64_t>(sizeof(U)) + 63) / 64 * 64;
    return p;
  }
};

/// A key that some query sees: queries [from, to), of which [from, fade) with m = 1 and [fade, gone) on its ramp.
struct Key {
  int64_t index;     ///< bank memory i as i, block step j as -1 - j
  double span;       ///< shortened
  double age;        ///< at query 0; grows by one per query
  int64_t position;  ///< column of position_keys at query 0; falls by one per query; < 0: no position term
  int64_t from, fade, gone, to;
  bool shortened;  ///< the span was cut, so it gets no gradient
};

/// The keys of one row in order of time. Those behind the last, up to a whole group, are seen by no query.
struct Plan {
  int64_t size;
  Key* keys;
  int64_t* episode_end;  ///< per block step: the first step of a later episode
};

/// The first query of [from, limit) for which `alive` no longer holds; it never holds again, so guess and correct.
template <class Alive>
inline int64_t LastsUntil(double guess, int64_t from, int64_t limit, Alive alive) {
  int64_t t = guess >= static_cast<double>(limit)
                  ? limit
                  : (guess > static_cast<double>(from) ? static_cast<int64_t>(guess) : from);
  while (t < limit && alive(t)) ++t;
  while (t > from && !alive(t - 1)) --t;
  return t;
}

template <class T>
inline void AddKey(const ExpireAttentionArgs<T>& a, int64_t index, int64_t age, double span, int64_t from,
                   int64_t limit, Plan& plan) {
  const bool shortened = span > a.shorten;
  const double cut = shortened ? a.shorten : span, age0 = static_cast<double>(age);
  if (a.window - age0 + 1 < static_cast<double>(limit)) limit = static_cast<int64_t>(a.window - age0 + 1);
  const auto remaining = [=](int64_t t) { return cut - (age0 + static_cast<double>(t)); };
  const double ramp = a.ramp;
  const int64_t gone =
      LastsUntil(cut - age0 + ramp, from, limit, [=](int64_t t) { return SpanMask(remaining(t), ramp) > 0; });
  const int64_t to = a.least_mask > 0 ? limit : gone;
  if (to <= from) return;
  const int64_t fade = LastsUntil(cut - age0 + 1, from, gone, [=](int64_t t) { return remaining(t) >= 0; });
  plan.keys[plan.size++] = {index, cut, age0, a.positions - age, from, fade, gone, to, shortened};
}

template <class T>
inline void MakePlan(const ExpireAttentionArgs<T>& a, int64_t row, Plan& plan) {
  const int64_t first = a.block_keys - a.queries;
  const int32_t* begin = a.episode_begin + row * a.block_keys;
  for (int64_t j = a.block_keys - 1, next = a.block_keys; j >= 0; --j) {
    plan.episode_end[j] = next;
    if (begin[j] == j) next = j;
  }
  plan.size = 0;
  int64_t old = 0;  // queries [0, old) still belong to the episode that the bank remembers
  while (old < a.queries && begin[first + old] < 0) ++old;
  const int64_t bank = a.bank_begin[row];
  for (int64_t i = bank; old > 0 && i < bank + a.bank_count[row]; ++i)
    AddKey(a, i, a.bank_age[i] + first, a.bank_span[i], 0, old, plan);
  const double* span = a.span + row * a.block_keys;
  for (int64_t j = 0; j < a.block_keys; ++j) {
    const int64_t from = j + 1 > first ? j + 1 - first : 0;
    AddKey(a, -1 - j, first - j, span[j], from, plan.episode_end[j] - first, plan);
  }
}

/// Living memories of every query, and the sum of r over all that is on its ramp.
template <class T>
inline void CountRow(const ExpireAttentionArgs<T>& a, int64_t row, const Plan& plan) {
  int32_t* living = a.living + row * a.queries;
  for (int64_t t = 0; t < a.queries; ++t) living[t] = 0;
  double ramp_sum = 0;
  for (int64_t n = 0; n < plan.size; ++n) {
    const Key& key = plan.keys[n];
    const double fading = static_cast<double>(key.gone - key.fade);
    if (fading > 0)
      ramp_sum += fading * (key.span - key.age) - fading * static_cast<double>(key.fade + key.gone - 1) / 2;
    ++living[key.from];
    if (key.to < a.queries) --living[key.to];
  }
  for (int64_t t = 1; t < a.queries; ++t) living[t] += living[t - 1];
  a.ramp_sum[row] = ramp_sum;
}

}  // namespace lethe::memory::LETHE_ISA
