#pragma once

#include <string>
#include <vector>

#include "memory/torch.h"
#include "memory/transformer_layer.h"

namespace lethe::memory {

/// A published weight: rows [from, to) of one of our parameters, in the published shape.
struct PublishedWeight {
  std::string name;
  torch::Tensor parameter;
  int64_t from, to;
  std::vector<int64_t> shape = {};  ///< empty: as it is

  torch::Tensor Of(const torch::Tensor& x) const {
    const torch::Tensor rows = x.slice(0, from, to);
    return shape.empty() ? rows : rows.view(shape);
  }
  torch::Tensor value() const { return Of(parameter); }
  torch::Tensor grad() const {
    return parameter.grad().defined() ? Of(parameter.grad()).clone() : torch::zeros_like(value());
  }
};
using PublishedWeights = std::vector<PublishedWeight>;

/// The one table of names: published weights of a layer and where they live in ours. Published linear weights carry
/// the suffix `.weight`; keys and values are one parameter here.
inline void AddLayerWeights(const std::string& prefix, const TransformerLayer& layer, PublishedWeights& weights) {
  const auto all = [&](const char* name, const torch::Tensor& p) {
    weights.push_back({prefix + name, p, 0, p.size(0)});
  };
  const int64_t width = layer.query.size(0);
  all("query.weight", layer.query);
  weights.push_back({prefix + "key.weight", layer.key_value, 0, width});
  weights.push_back({prefix + "value.weight", layer.key_value, width, 2 * width});
  all("out.weight", layer.out);
  all("ff1.weight", layer.ff1), all("ff1.bias", layer.ff1_bias);
  all("ff2.weight", layer.ff2), all("ff2.bias", layer.ff2_bias);
  all("norm1.weight", layer.norm1), all("norm1.bias", layer.norm1_bias);
  all("norm2.weight", layer.norm2), all("norm2.bias", layer.norm2_bias);
  if (layer.span.defined()) all("span.weight", layer.span), all("span.bias", layer.span_bias);
  if (!layer.span_ratio.defined()) return;
  const int64_t heads = layer.span_ratio.size(0);
  weights.push_back({prefix + "span_ratio", layer.span_ratio, 0, heads,
                     heads > 1 ? std::vector<int64_t>{heads, 1, 1} : std::vector<int64_t>{}});
}

}  // namespace lethe::memory
