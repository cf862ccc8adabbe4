"""Compiles the Triton kernel for devices that need not be there; `test_triton.py` runs this file.

It prints one line for each kernel: name, device, whether it multiplies on tensor cores, and its atomic operations.
"""

import re

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from edgewise.ops.kernels import triton as kernel

SHAPE = {"samples": 64, "group": 4, "width": 8, "halvings": 3}


def compile_for(name: str, capability: int, dtype: str, degree: int, order: int) -> None:
    function = getattr(kernel, name)
    is_double = dtype == "fp64"
    constants = {**SHAPE, "degree": degree, "order": order, "block": 32 if is_double else 64}
    constants |= {"basis_type": tl.float64 if is_double else tl.float32, "weighted": True}
    constants["product_type"] = {"bf16": tl.bfloat16}.get(dtype, constants["basis_type"])
    constants["precision"] = "tf32" if dtype == "fp32" else "ieee"
    constants = {key: value for key, value in constants.items() if key in function.arg_names}
    pointers = {"parts_ptr": "*fp64" if is_double else "*fp32"}
    signature = {
        key: "constexpr" if key in constants else pointers.get(key, f"*{dtype}") if key.endswith("_ptr") else "i32"
        for key in function.arg_names
    }
    places = {(function.arg_names.index(key),): value for key, value in constants.items()}
    source = ASTSource(function, signature, constexprs=places)
    code = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"enable_fp_fusion": True})
    assembly = code.asm["ptx"]
    cores = "cores" if re.search(r"\b(mma|wgmma)\.", assembly) else "no-cores"
    print(name, capability, dtype, cores, len(re.findall(r"\b(?:atom|red)\.", assembly)), flush=True)


if __name__ == "__main__":
    for each in ("_to_output", "_to_input", "_to_coef"):
        compile_for(each, 90, "fp32", 3, 0)
    compile_for("_to_output", 80, "bf16", 3, 1)
    compile_for("_to_coef", 80, "fp64", 3, 0)
