"""Programs as machine code: LLVM IR written by us, compiled by llvmlite."""
