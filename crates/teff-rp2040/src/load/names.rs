//! Names of Rust functions as they stand in the source (the older of rustc's two manglings; others are left as they are).

/// `_ZN4core3fmt5write17h0123456789abcdefE` as `core::fmt::write`.
pub(super) fn readable(linked: &str) -> String {
    parts(linked).map_or_else(|| linked.to_string(), |parts| parts.join("::"))
}

/// The parts of the path, without the hash at its end; `None` when it is no such name.
fn parts(linked: &str) -> Option<Vec<String>> {
    let mut rest = linked.strip_prefix("_ZN")?.strip_suffix('E')?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (part, after) = rest[digits..].split_at_checked(rest[..digits].parse().ok()?)?;
        parts.push(part);
        rest = after;
    }
    let hash = parts.pop()?.strip_prefix('h')?;
    let is_hash = hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| parts.into_iter().map(unescape).collect())
}

/// `_$LT$T$u20$as$u20$a..B$GT$` as `<T as a::B>`.
fn unescape(part: &str) -> String {
    let part = part.strip_prefix('_').filter(|p| p.starts_with('$')).unwrap_or(part).replace("..", "::");
    let mut out = String::new();
    for (i, piece) in part.split('$').enumerate() {
        // Every second piece stands between two signs.
        match (i % 2, piece) {
            (0, text) => out.push_str(text),
            (_, "LT") => out.push('<'),
            (_, "GT") => out.push('>'),
            (_, "RF") => out.push('&'),
            (_, "BP") => out.push('*'),
            (_, "LP") => out.push('('),
            (_, "RP") => out.push(')'),
            (_, "C") => out.push(','),
            (_, code) => {
                let code = code.strip_prefix('u').and_then(|hex| u32::from_str_radix(hex, 16).ok());
                out.extend(code.and_then(char::from_u32));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_names_become_paths_and_others_stay() {
        let name = "_ZN112_$LT$usbd_serial..serial_port..SerialPort$LT$B$C$RS$C$WS$GT$$u20$as$u20$usb_device..class..UsbClass$LT$B$GT$\
                    $GT$29get_configuration_descriptors17h530b6b50f7272b43E";
        assert_eq!(
            readable(name),
            "<usbd_serial::serial_port::SerialPort<B,RS,WS> as usb_device::class::UsbClass<B>>::get_configuration_descriptors"
        );
        assert_eq!(readable("_ZN4core9panicking5panic17h0123456789abcdefE"), "core::panicking::panic");
        for other in ["main", "_ZN3foo3barEv", "_ZN3foo3barE", "_ZN99xE", "_ZN0E", "_ZN", "_RNvCs_4core"] {
            assert_eq!(readable(other), other);
        }
    }
}
