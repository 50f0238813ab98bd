//! Damaged files: whatever stands in them, there is an error or an image, never a panic, and what loads can be run.

mod common;
use common::{FLASH, corpus};
use teff_rp2040::board::{Board, Description, Motion, Sound, read_gif};
use teff_rp2040::{Image, Options, Profile, Simulator};

/// Xorshift, so that every run damages alike.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    /// `file` with some bytes changed, many of them to values at the edges, and sometimes cut short.
    fn damage(&mut self, file: &[u8], within: usize) -> Vec<u8> {
        let mut bytes = file.to_vec();
        for _ in 0..1 + self.below(6) {
            let at = self.below(bytes.len().min(within));
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, self.below(256) as u8][self.below(6)];
        }
        if self.below(4) == 0 {
            bytes.truncate(self.below(bytes.len()));
        }
        bytes
    }
}

#[test]
fn damaged_images() {
    let elf = corpus("hello.elf");
    let mut uf2 = Vec::new();
    for word in [0x0a32_4655, 0x9e5d_5157, 0x2000, FLASH, 256, 0, 1, 0xe48b_ff56] {
        uf2.extend(u32::to_le_bytes(word));
    }
    uf2.resize(508, 0x20);
    uf2.extend(0x0ab1_6f30u32.to_le_bytes());
    let hex = b":020000041000EA\n:0400000001020304F2\n:00000001FF\n".to_vec();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut loaded, mut refused) = (0, 0);
    let board = Board::new(Description { flash_bytes: 65_536, ..Description::default() });
    let mut sim = Simulator::with_board(Options::default(), board);
    for round in 0..6_000 {
        let (file, within) = [(&elf, 120), (&elf, elf.len()), (&uf2, 64), (&hex, hex.len())][round % 4];
        let bytes = random.damage(file, within);
        let Ok(image) = Image::parse(&bytes) else {
            refused += 1;
            continue;
        };
        let mut profile = Profile::new(&image);
        assert!(image.function_at(u32::MAX).is_none_or(|(symbol, _)| symbol.function));
        if sim.load(&image).is_ok() {
            loaded += 1;
            sim.run_profiled(sim.cycles() + 200, &mut profile);
            assert!(!sim.backtrace(0, &image).is_empty());
        }
        assert!(!profile.flame_graph().is_empty());
    }
    assert!(loaded > 500 && refused > 500, "{loaded} loaded, {refused} refused");
}

#[test]
fn damaged_recordings() {
    let mut gif = b"GIF89a\x02\0\x04\0\x81\0\0\0\0\0\xff\xff\xff\x80\x80\x80\x40\x40\x40".to_vec();
    gif.extend(b"\x21\xf9\x04\x05\x05\0\x01\0\x2c\0\0\0\0\x02\0\x04\0\x40\x02\x05\x04\x12\x85\x8b\x05\0\x3b");
    let mut wav =
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\0\0\0\x02\0\x10\0data\x08\0\0\0".to_vec();
    wav.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    let csv = b"t,ax,ay,az\n0,0,0,1\n0.5,1,-0.5,0\n".to_vec();
    let mut random = Random(42);
    let mut good = [0; 3];
    for _ in 0..20_000 {
        good[0] += usize::from(read_gif(&random.damage(&gif, 1000)).is_ok());
        good[1] += usize::from(Sound::read_wav(&random.damage(&wav, 1000)).is_ok());
        let text = random.damage(&csv, 1000);
        good[2] += usize::from(Motion::parse(&String::from_utf8_lossy(&text)).is_ok());
    }
    assert!(good.iter().all(|&n| n > 100), "{good:?}");
}
