#pragma once

// LibTorch as this project uses it: tensors, autograd functions, modules. torch/torch.h, with optimisers, data loaders
// and every layer there is, would add 3 s of compiler time to each file, precompiled or not.

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/module.h>
#include <torch/types.h>
