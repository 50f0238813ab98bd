//! Names of Rust functions as they stand in the source, in both of rustc's manglings; others are left as they are.

/// `_ZN4core3fmt5write17h0123456789abcdefE` and `_RNvNtCs4dZ_4core3fmt5write` as `core::fmt::write`.
pub(super) fn readable(linked: &str) -> String {
    // In the alternate form, without the hash that tells builds apart.
    let name = rustc_demangle::try_demangle(linked).map(|name| format!("{name:#}"));
    name.ok().filter(|name| !name.is_empty()).unwrap_or_else(|| linked.to_string())
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
        assert_eq!(readable("_RNvCskwGfYPst2Cb_3foo3bar"), "foo::bar");
        assert_eq!(
            readable("_RNvMsa_NtCseold96UKqg_4core3fmtNtB5_9Formatter12pad_integral"),
            "<core::fmt::Formatter>::pad_integral"
        );
        for other in ["main", "_ZN3foo3barEv", "_ZN99xE", "_ZN0E", "_ZN", "_RNvCs_4core", "_Rubbish"] {
            assert_eq!(readable(other), other);
        }
    }
}
