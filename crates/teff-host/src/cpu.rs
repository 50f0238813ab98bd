//! What the processor offers. Code is built for the plainest one; inner loops come in several versions, of which one is chosen
//! when a plan is made.

/// Versions of an inner loop, from slow to fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// What every processor of the target does.
    Portable,
    /// x86-64 with AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512 F, VL, BW and DQ besides.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The fastest level this processor has.
pub(crate) fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        if avx2 && avx512 {
            return Level::Avx512;
        }
        if avx2 {
            return Level::Avx2;
        }
    }
    Level::Portable
}

/// Defines `$name`, which gives the version of `$body` for a [`Level`] as a function pointer. `$body` is an inline function
/// whose first constant parameter says whether there is a fused multiply-add.
macro_rules! leveled {
    ($(#[$doc:meta])* $vis:vis fn $name:ident [$($g:tt)*] [$($u:tt)*] ($($a:ident: $t:ty),* $(,)?) = $body:ident;) => {
        $(#[$doc])*
        $vis fn $name<$($g)*>(level: $crate::cpu::Level) -> unsafe fn($($t),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2<$($g)*>($($a: $t),*) {
                // SAFETY: the caller answers for the arguments, and for the processor by its choice of level.
                unsafe { $body::<true, $($u)*>($($a),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
            unsafe fn avx512<$($g)*>($($a: $t),*) {
                // SAFETY: as above.
                unsafe { $body::<true, $($u)*>($($a),*) }
            }
            unsafe fn portable<$($g)*>($($a: $t),*) {
                // SAFETY: the caller answers for the arguments.
                unsafe { $body::<{ cfg!(target_arch = "aarch64") }, $($u)*>($($a),*) }
            }
            match level {
                $crate::cpu::Level::Portable => portable::<$($u)*>,
                #[cfg(target_arch = "x86_64")]
                $crate::cpu::Level::Avx2 => avx2::<$($u)*>,
                #[cfg(target_arch = "x86_64")]
                $crate::cpu::Level::Avx512 => avx512::<$($u)*>,
            }
        }
    };
}
pub(crate) use leveled;
