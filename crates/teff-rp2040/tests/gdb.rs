//! The GDB server, spoken to packet by packet.

mod common;
use common::corpus;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use teff_rp2040::gdb::{Ended, serve};
use teff_rp2040::{Image, Options, Simulator};

struct Client(TcpStream);

impl Client {
    fn ask(&mut self, packet: &str) -> String {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        write!(self.0, "${packet}#{sum:02x}").expect("the server listens");
        let (mut reply, mut byte) = (String::new(), [0]);
        while !reply.ends_with('#') {
            self.0.read_exact(&mut byte).expect("the server answers");
            reply.push(char::from(byte[0]));
        }
        self.0.read_exact(&mut [0; 2]).expect("a checksum");
        let start = reply.find('$').expect("a packet") + 1;
        reply[start..reply.len() - 1].to_string()
    }
}

#[test]
fn gdb_sets_breakpoints_on_both_cores_and_reads_registers_and_memory() {
    let image = Image::parse(&corpus("two_cores.elf")).expect("an ELF file");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let server = std::thread::spawn({
        let image = image.clone();
        move || {
            let mut sim = Simulator::new(Options::default());
            sim.load(&image).expect("it fits");
            let (stream, _) = listener.accept().expect("a connection");
            serve(&mut sim, stream, &mut |_| true).expect("a session")
        }
    });
    let mut gdb = Client(TcpStream::connect(address).expect("the server accepts"));
    assert!(gdb.ask("qSupported:multiprocess+").contains("qXfer:features:read+"));
    assert!(gdb.ask("qXfer:features:read:target.xml:0,40").starts_with("m<?xml"));
    assert_eq!(gdb.ask("qfThreadInfo"), "m1,2");
    let core1 = image.address_of("core1").expect("a symbol");
    assert_eq!(gdb.ask(&format!("Z0,{core1:x},2")), "OK");
    assert_eq!(gdb.ask("c"), "T05thread:2;");
    assert_eq!(gdb.ask("pf"), format!("{:08x}", core1.swap_bytes()));
    assert_eq!(gdb.ask("s"), "T05thread:2;");
    assert_eq!(gdb.ask("pf"), format!("{:08x}", (core1 + 2).swap_bytes()), "one half-word on");
    assert_eq!(gdb.ask("M20030000,4:0badf00d"), "OK");
    assert_eq!(gdb.ask("m20030000,4"), "0badf00d");
    assert_eq!(gdb.ask("m30000000,4"), "E01");
    assert_eq!(gdb.ask("P3=78563412"), "OK");
    assert_eq!(&gdb.ask("g")[24..32], "78563412");
    assert_eq!(gdb.ask("vMustReplyEmpty"), "");
    assert_eq!(gdb.ask(&format!("z0,{core1:x},2")), "OK");
    assert_eq!(gdb.ask("c"), "T05thread:1;", "BKPT #7, by which core 0 reports");
    assert_eq!(gdb.ask("D"), "OK");
    assert_eq!(server.join().expect("no panic"), Ended::Detached);
}
