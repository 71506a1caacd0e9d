"""Polynomials and constants of vector_math.py, fitted with 200 bits: tests/fitted.py writes this file."""

LN2 = tuple(
    map(
        float.fromhex,
        ["0x1.62e42fefa3800p-1", "0x1.ef35793c76730p-45", "0x1.62e42fefa39efp-1", "0x1.abc9e3b39803fp-56"],
    )
)
LOG2_E = tuple(map(float.fromhex, ["0x1.71547652b82fep+0", "0x1.777d0ffda0d24p-56"]))
LOG10_E = tuple(map(float.fromhex, ["0x1.bcb7b1526e50ep-2", "0x1.95355baaafad3p-57"]))
LOG10_2 = tuple(map(float.fromhex, ["0x1.34413509f7000p-2", "0x1.3fde623e2566bp-43"]))
HALF_PI = tuple(map(float.fromhex, ["0x1.921fb54442d18p+0", "0x1.1a62633145c07p-54", "-0x1.f1976b7ed8fbcp-110"]))
COEFFICIENTS = {
    "exp": tuple(
        map(
            float.fromhex,
            [
                "0x1.0000000000001p-1",
                "0x1.5555555555556p-3",
                "0x1.5555555553d5ap-5",
                "0x1.11111111109b0p-7",
                "0x1.6c16c1788f756p-10",
                "0x1.a01a01a7c6560p-13",
                "0x1.a019b8ff24c9bp-16",
                "0x1.71de0da5c30dbp-19",
                "0x1.2891960d969fep-22",
                "0x1.af38be34c9e9cp-26",
            ],
        )
    ),
    "expm1": tuple(
        map(
            float.fromhex,
            [
                "0x1.0000000000000p-1",
                "0x1.5555555555557p-3",
                "0x1.5555555555556p-5",
                "0x1.11111111100d5p-7",
                "0x1.6c16c16c162d1p-10",
                "0x1.a01a01abeb69fp-13",
                "0x1.a01a01a6da7e2p-16",
                "0x1.71de0226bd07ap-19",
                "0x1.27e4db5e389d2p-22",
                "0x1.af4e000e84be8p-26",
                "0x1.1f73102e57f8bp-29",
            ],
        )
    ),
    "sin": tuple(
        map(
            float.fromhex,
            [
                "-0x1.5555555555555p-3",
                "0x1.1111111111110p-7",
                "-0x1.a01a01a01992fp-13",
                "0x1.71de3a545f836p-19",
                "-0x1.ae645410e937bp-26",
                "0x1.61217d9252c03p-33",
                "-0x1.ab16f5caa198ap-41",
            ],
        )
    ),
    "cos": tuple(
        map(
            float.fromhex,
            [
                "0x1.5555555555555p-5",
                "-0x1.6c16c16c16c16p-10",
                "0x1.a01a01a019d06p-16",
                "-0x1.27e4fb77125c5p-22",
                "0x1.1eed8deac3dfep-29",
                "-0x1.9394b8bd50ae1p-37",
                "0x1.ab779550c8d9bp-45",
            ],
        )
    ),
    "cosh rest": tuple(
        map(
            float.fromhex,
            [
                "0x1.0000000000000p-1",
                "0x1.5555555555557p-5",
                "0x1.6c16c16c15a62p-10",
                "0x1.a01a01a9ec69bp-16",
                "0x1.27e4d411cba8bp-22",
                "0x1.1f7f358827813p-29",
            ],
        )
    ),
    "sinh rest": tuple(
        map(
            float.fromhex,
            [
                "0x1.5555555555556p-3",
                "0x1.11111111109b0p-7",
                "0x1.a01a01a7c6560p-13",
                "0x1.71de0da5c30dbp-19",
                "0x1.af38be34c9e9cp-26",
            ],
        )
    ),
    "log": tuple(
        map(
            float.fromhex,
            [
                "0x1.5555555555555p-1",
                "0x1.9999999999f30p-2",
                "0x1.24924923dba6ap-2",
                "0x1.c71c72e2f78d5p-3",
                "0x1.745cab2727663p-3",
                "0x1.3b29fcbbce66dp-3",
                "0x1.0e88ea4725d3dp-3",
                "0x1.16b68338bd78bp-3",
            ],
        )
    ),
    "log tail": tuple(
        map(
            float.fromhex,
            [
                "0x1.999999999999ap-2",
                "0x1.2492492492491p-2",
                "0x1.c71c71c71cfe7p-3",
                "0x1.745d1745124c7p-3",
                "0x1.3b13b1bd0ead0p-3",
                "0x1.1110df7e2b9b8p-3",
                "0x1.e1f80a4c22cd4p-4",
                "0x1.ac4927065cf5ap-4",
                "0x1.b8e0c07ef591ap-4",
            ],
        )
    ),
    "erf near": tuple(
        map(
            float.fromhex,
            [
                "0x1.06eba8214db68p-3",
                "-0x1.812746b0379c1p-2",
                "0x1.ce2f21a040f66p-4",
                "-0x1.b82ce31203772p-6",
                "0x1.565bccfa44156p-8",
                "-0x1.c02db0665e53dp-11",
                "0x1.f9a2be4f731a1p-14",
                "-0x1.f4ca838adb73bp-17",
                "0x1.b981d78881a5dp-20",
                "-0x1.5c131500d3f88p-23",
                "0x1.d76af6ca49787p-27",
                "-0x1.ac9585a44fe29p-31",
            ],
        )
    ),
    "atan": tuple(
        map(
            float.fromhex,
            [
                "-0x1.5555555555555p-2",
                "0x1.999999999933dp-3",
                "-0x1.24924924355d5p-3",
                "0x1.c71c7184c32bfp-4",
                "-0x1.745d0b153ffadp-4",
                "0x1.3b126143b5cbcp-4",
                "-0x1.10fa5ee9ab25cp-4",
                "0x1.dfe49b2919c4ep-5",
                "-0x1.a090d1950d2b4p-5",
                "0x1.41495cefb6c73p-5",
                "-0x1.39f38ad451ea6p-6",
            ],
        )
    ),
    "asin": tuple(
        map(
            float.fromhex,
            [
                "0x1.5555555555556p-3",
                "0x1.3333333332ecap-4",
                "0x1.6db6db6e31f13p-5",
                "0x1.f1c71c1db0623p-6",
                "0x1.6e8bb1c8209a2p-6",
                "0x1.1c4d35cf95421p-6",
                "0x1.c9cf07674736ap-7",
                "0x1.782651caa6547p-7",
                "0x1.52420b04b37bep-7",
                "0x1.65a9c4dfcf8b2p-8",
                "0x1.1d189408314eep-6",
                "-0x1.e6aaa8a0a04ccp-7",
                "0x1.d72b2bc8155f8p-6",
            ],
        )
    ),
    "single expm1": tuple(
        map(
            float.fromhex,
            [
                "0x1.0000000000000p+0",
                "0x1.000000288b44fp-1",
                "0x1.555555675861fp-3",
                "0x1.5554acaf47b8cp-5",
                "0x1.1110c6242ab95p-7",
                "0x1.6d7565c858406p-10",
                "0x1.a15197f39bb88p-13",
            ],
        )
    ),
    "single sin": tuple(
        map(
            float.fromhex,
            ["-0x1.555555545d0dap-3", "0x1.11110decc73fdp-7", "-0x1.a013a455bd213p-13", "0x1.6dbcfb4dee452p-19"],
        )
    ),
    "single cos": tuple(
        map(
            float.fromhex,
            [
                "-0x1.fffffffffe677p-2",
                "0x1.555555514b595p-5",
                "-0x1.6c16bae0eeeadp-10",
                "0x1.a01295104b6a7p-16",
                "-0x1.24740198bcf0bp-22",
            ],
        )
    ),
    "single log": tuple(
        map(
            float.fromhex,
            [
                "0x1.00000000160fap+1",
                "0x1.555553a7d17b2p-1",
                "0x1.999c34a76b719p-2",
                "0x1.23ddc6b0923ccp-2",
                "0x1.ee9973d4e49ddp-3",
            ],
        )
    ),
    "erf far": tuple(
        map(
            float.fromhex,
            [
                "0x1.058671b52c776p-2",
                "-0x1.b57034efd3f72p-2",
                "0x1.eeea7dc8a78b3p-3",
                "-0x1.437f0b68c0c23p-4",
                "0x1.e9471597a0cbep-9",
                "0x1.ca95ed5345805p-8",
                "-0x1.bc25a47fd8794p-11",
                "-0x1.016b5cebeba31p-10",
                "0x1.6d5f051826a94p-15",
                "0x1.6da979b4b520fp-13",
                "0x1.cdca3336775d3p-16",
                "-0x1.ceb931ff6b9e6p-16",
                "-0x1.d472e6f4bc117p-17",
                "0x1.760c71e18a2dep-20",
                "0x1.f68fb1e89325bp-19",
                "0x1.41fd5f0bcc4bap-20",
                "-0x1.a3249a6baa8f6p-22",
                "-0x1.26f6f10c02d32p-21",
                "-0x1.5e7bc4a3e23c1p-23",
                "0x1.9677c63127a5cp-23",
            ],
        )
    ),
    "two thirds": tuple(map(float.fromhex, ["0x1.5555555555555p-1", "0x1.5555555555555p-55"])),
}
