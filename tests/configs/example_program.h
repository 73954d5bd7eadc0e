#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "configs/options.h"

namespace lethe::configs {

struct ExampleTrain {
  double lr = 1e-3;
  int unroll_length = 32;
  std::string optimizer = "adam";
  bool normalize = true;

  template <class V>
  void Visit(V& v) {
    v("lr", lr, Range{0, 1}, "learning rate");
    v("unroll_length", unroll_length, Range{1, 1024}, "steps of a rollout");
    v("optimizer", optimizer, OneOf{{"adam", "rmsprop"}}, "how gradients become steps");
    v("normalize", normalize, Any{}, "normalise advantages");
  }
};

/// The options of a small program, of every type, for tests.
struct ExampleProgram {
  int64_t seed = 1;
  std::string name = "";
  ExampleTrain train;
  Options options;

  ExampleProgram() {
    options("seed", seed, Range{0}, "seed of every random stream");
    options("name", name, Any{}, "name of the run");
    options.Section("train", train, "learning");
  }

  void Read(std::initializer_list<const char*> assignments) {
    Document document;
    for (const char* assignment : assignments) document.Override(assignment);
    options.Read(document);
  }
};

}  // namespace lethe::configs
