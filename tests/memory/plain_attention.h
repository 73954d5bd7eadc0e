#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "memory/torch.h"
#include "tests/memory/attention_case.h"

namespace lethe::memory {

/// A memory as one query sees it.
struct PlainKey {
  const double *k, *v;  ///< all heads
  double span;
  int64_t age;
  int64_t column;  ///< in AttentionOutput::weights
};

/// What query t of a row may see by episode and order, whatever its mask.
inline std::vector<PlainKey> PlainKeys(const AttentionCase& c, int64_t row, int64_t t) {
  const int64_t width = c.q.size(2), block = c.sizes.block, step = block - c.sizes.queries + t;
  const int32_t begin = c.episode_begin[row][step].item<int32_t>();
  const int64_t first = c.bank.begin[row].item<int64_t>(), count = c.bank.count[row].item<int64_t>();
  std::vector<PlainKey> keys;
  for (int64_t i = first; begin < 0 && i < first + count; ++i)
    keys.push_back({c.bank.k.const_data_ptr<double>() + i * width, c.bank.v.const_data_ptr<double>() + i * width,
                    c.bank.span.const_data_ptr<double>()[i], c.bank.age.const_data_ptr<int64_t>()[i] + step,
                    i - first});
  for (int64_t j = std::max(begin, 0); j < step; ++j)
    keys.push_back({c.k.const_data_ptr<double>() + (row * block + j) * width,
                    c.v.const_data_ptr<double>() + (row * block + j) * width,
                    c.span.const_data_ptr<double>()[row * block + j], step - j, c.bank.longest + j});
  return keys;
}

/// r and m of one key, as memory/kernels/expire_attention.h states them.
inline double PlainRemaining(const PlainKey& key, const AttentionConstants& constants) {
  return std::min(key.span, constants.shorten) - static_cast<double>(key.age);
}
inline double PlainMask(const PlainKey& key, const AttentionConstants& constants) {
  if (static_cast<double>(key.age) > constants.window) return 0;
  return std::clamp(1 + PlainRemaining(key, constants) / constants.ramp, constants.least_mask, 1.0);
}
/// On its ramp: between the least mask and 1, so that its span is charged.
inline bool PlainFades(const PlainKey& key, const AttentionConstants& constants) {
  const double mask = PlainMask(key, constants);
  return mask > constants.least_mask && mask < 1;
}

inline double PlainScore(const AttentionCase& c, const double* q, const PlainKey& key, int64_t head) {
  const int64_t dim = c.sizes.head_dim, positions = c.sizes.positions;
  double score = 0;
  for (int64_t d = 0; d < dim; ++d) {
    score += q[head * dim + d] * key.k[head * dim + d];
    if (key.age <= positions)
      score += q[head * dim + d] * c.position_keys.const_data_ptr<double>()[d * positions + positions - key.age];
  }
  return score / std::sqrt(static_cast<double>(dim));
}

/// The formula of memory/kernels/expire_attention.h in plain loops over one query at a time.
inline AttentionOutput PlainAttention(const AttentionCase& c) {
  const AttentionSizes& s = c.sizes;
  AttentionOutput a;
  a.out = torch::zeros({s.rows, s.queries, s.heads * s.head_dim}, torch::kDouble);
  a.ramp_sum = torch::zeros({s.rows}, torch::kDouble);
  a.living = torch::zeros({s.rows, s.queries}, torch::kInt);
  a.weights = torch::zeros({s.rows, s.heads, s.queries, c.bank.longest + s.block}, torch::kDouble);
  for (int64_t row = 0; row < s.rows; ++row) {
    for (int64_t t = 0; t < s.queries; ++t) {
      const double* q = c.q.const_data_ptr<double>() + (row * s.queries + t) * s.heads * s.head_dim;
      double* out = a.out.data_ptr<double>() + (row * s.queries + t) * s.heads * s.head_dim;
      std::vector<PlainKey> seen;
      for (const PlainKey& key : PlainKeys(c, row, t))
        if (PlainMask(key, s.constants) > 0) seen.push_back(key);
      a.living[row][t] = static_cast<int32_t>(seen.size());
      for (const PlainKey& key : seen)
        if (PlainFades(key, s.constants)) a.ramp_sum[row] += PlainRemaining(key, s.constants);
      for (int64_t head = 0; head < s.heads; ++head) {
        double masked = 0, plain = 0;
        for (const PlainKey& key : seen) {
          const double e = std::exp(PlainScore(c, q, key, head));
          masked += PlainMask(key, s.constants) * e;
          plain += e;
        }
        for (const PlainKey& key : seen) {
          const double p = PlainMask(key, s.constants) * std::exp(PlainScore(c, q, key, head)) /
                           (masked + s.constants.epsilon * plain);
          a.weights[row][head][t][key.column] = p;
          for (int64_t d = 0; d < s.head_dim; ++d) out[head * s.head_dim + d] += p * key.v[head * s.head_dim + d];
        }
      }
    }
  }
  return a;
}

}  // namespace lethe::memory
