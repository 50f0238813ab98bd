//! Machines that code is generated for, and boards that have them, as data.

/// What the lowering and the cost counter need to know of a machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Name used on the command line.
    pub name: &'static str,
    /// Neighbouring outputs that the kernels of dense layers and convolutions compute side by side, at most: some vector
    /// registers' worth; on machines without them as many sums as share a loaded input and still fit the registers.
    pub lanes: usize,
    /// Sums kept in registers at once, at most.
    pub sums: usize,
    /// Inputs multiplied in one turn of a loop.
    pub steps: usize,
    /// The multiplier takes 32 bits by 32 bits to 32 bits and nothing wider, nor several at once: two products of 8 bits are made in
    /// one ([`crate::program::PairSums`]), and products of 64 bits put together from halves.
    pub word_products: bool,
    /// Whether floats are computed by hardware.
    pub float_unit: bool,
    /// Cycles of single operations.
    pub cycles: Cycles,
}

/// Estimated cycles of single operations, as compiled C executes them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cycles {
    /// Load from RAM or cached memory.
    pub load: f64,
    /// Store.
    pub store: f64,
    /// Integer operation on up to 32 bits.
    pub int: f64,
    /// The upper half of a product of 32 bits.
    pub mul_high: f64,
    /// Integer division.
    pub int_divide: f64,
    /// Float addition, subtraction or comparison.
    pub float_add: f64,
    /// Float multiplication.
    pub float_multiply: f64,
    /// Float division or square root.
    pub float_divide: f64,
    /// Exponential, logarithm, trigonometric function.
    pub function: f64,
    /// Overhead of one turn of a loop.
    pub turn: f64,
}

/// How dense layers and convolutions of floats are computed on machines without a float unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Floats {
    /// By software floats, as written.
    Exact,
    /// By integers with an exponent for each tensor, where that can be proved to be precise enough.
    Mantissas {
        /// What the bounds of all layers may sum up to, each the largest error of a result as a share of the layer's range: of
        /// what its results can reach for inputs no larger than those it is given; and, with some room, what outputs may be off by on
        /// the inputs tried, as a share of their range. 16-bit weights are used as far as this allows.
        error: f64,
    },
}

impl Default for Floats {
    /// Mantissas, off by 1e-4 at most.
    fn default() -> Floats {
        Floats::Mantissas { error: 1e-4 }
    }
}

impl Target {
    /// A machine with a float unit and 128-bit vectors: the host, a Cortex-A.
    pub const GENERIC: Target = Target {
        name: "generic",
        lanes: 16,
        sums: 32,
        steps: 4,
        word_products: false,
        float_unit: true,
        cycles: Cycles {
            load: 0.5,
            store: 1.0,
            int: 0.5,
            mul_high: 1.5,
            int_divide: 20.0,
            float_add: 0.5,
            float_multiply: 0.5,
            float_divide: 10.0,
            function: 40.0,
            turn: 1.0,
        },
    };

    /// Cortex-M0+ with the single-cycle multiplier and software floats (libgcc's, about 240 cycles for a multiply-accumulate
    /// with its loads, measured on 784-400-10). LDR 2, STR 2, MULS and ADDS 1, taken branch 2: Arm DDI 0484C, table 3.1.
    pub const CORTEX_M0PLUS: Target = Target {
        name: "cortex-m0plus",
        lanes: 4,
        sums: 4,
        steps: 1,
        word_products: true,
        float_unit: false,
        cycles: Cycles {
            load: 2.0,
            store: 2.0,
            int: 1.0,
            mul_high: 20.0,
            int_divide: 50.0,
            float_add: 75.0,
            float_multiply: 85.0,
            float_divide: 400.0,
            function: 3000.0,
            turn: 4.0,
        },
    };

    /// Cortex-M3: 64-bit products, no float unit. LDR 2, MUL 1, SDIV 2 to 12: Arm DDI 0337H, table 3-1; software floats as on the
    /// Cortex-M0+, whose library needs about half as many instructions here.
    pub const CORTEX_M3: Target = Target {
        name: "cortex-m3",
        word_products: false,
        sums: 8,
        cycles: Cycles {
            mul_high: 4.0,
            int_divide: 8.0,
            float_add: 45.0,
            float_multiply: 40.0,
            float_divide: 150.0,
            function: 1500.0,
            turn: 3.0,
            ..Target::CORTEX_M0PLUS.cycles
        },
        ..Target::CORTEX_M0PLUS
    };

    /// Cortex-M4 with its float unit: VADD, VMUL 1, VDIV 14: Arm DDI 0439B, table 7-1.
    pub const CORTEX_M4: Target = Target {
        name: "cortex-m4",
        sums: 12,
        float_unit: true,
        cycles: Cycles {
            float_add: 1.0,
            float_multiply: 1.0,
            float_divide: 14.0,
            function: 120.0,
            ..Target::CORTEX_M3.cycles
        },
        ..Target::CORTEX_M3
    };

    /// Cortex-M33 with its float unit, as in the RP2350; its loads take a cycle where nothing waits for them.
    pub const CORTEX_M33: Target = Target {
        name: "cortex-m33",
        cycles: Cycles { load: 1.5, store: 1.0, ..Target::CORTEX_M4.cycles },
        ..Target::CORTEX_M4
    };

    /// A small RISC-V core with multiplication and compressed instructions and no float unit, as in the ESP32-C3.
    pub const RV32IMC: Target = Target {
        name: "rv32imc",
        sums: 12,
        cycles: Cycles { int_divide: 33.0, ..Target::CORTEX_M3.cycles },
        ..Target::CORTEX_M3
    };

    /// All targets.
    pub const ALL: [Target; 6] = [
        Target::GENERIC,
        Target::CORTEX_M0PLUS,
        Target::CORTEX_M3,
        Target::CORTEX_M4,
        Target::CORTEX_M33,
        Target::RV32IMC,
    ];

    /// The target of this name.
    pub fn from_name(name: &str) -> Option<Target> {
        Target::ALL.into_iter().find(|t| t.name == name)
    }
}

/// A board: its processor, and what its memories hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Board {
    /// Name used on the command line.
    pub name: &'static str,
    /// The processor of each of its cores.
    pub target: Target,
    /// Bytes of flash.
    pub flash: usize,
    /// Bytes of RAM.
    pub ram: usize,
    /// Cycles a second, as it comes.
    pub clock_hz: u64,
}

impl Board {
    /// ArduCAM Pico4ML: an RP2040 with 2 MB of flash, a camera and a display.
    pub const PICO4ML: Board = Board { name: "pico4ml", ..Board::PICO };

    /// Raspberry Pi Pico: an RP2040 (two Cortex-M0+, 264 kB of SRAM, RP2040 datasheet 1.1 and 2.6.2) with 2 MB of flash.
    pub const PICO: Board = Board {
        name: "pico",
        target: Target::CORTEX_M0PLUS,
        flash: 2 << 20,
        ram: 264 << 10,
        clock_hz: 125_000_000,
    };

    /// Raspberry Pi Pico 2: an RP2350 (two Cortex-M33 with float units, 520 kB of SRAM, RP2350 datasheet 1.1 and 4.2) with 4 MB of flash.
    pub const PICO2: Board = Board {
        name: "pico2",
        target: Target::CORTEX_M33,
        flash: 4 << 20,
        ram: 520 << 10,
        clock_hz: 150_000_000,
    };

    /// All boards.
    pub const ALL: [Board; 3] = [Board::PICO4ML, Board::PICO, Board::PICO2];

    /// The board of this name.
    pub fn from_name(name: &str) -> Option<Board> {
        Board::ALL.into_iter().find(|b| b.name == name)
    }
}
