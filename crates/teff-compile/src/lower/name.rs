//! Names that a reader of the generated code recognises, those of the model's layers; and names that a function of generated code cannot
//! have.

use super::fuse::Group;
use crate::printing::free;
use std::collections::HashSet;
use std::sync::Arc;
use teff_graph::{DType, Graph, NodeId, Op};

/// Names given so far.
pub(super) struct Names {
    used: HashSet<String>,
    function: String,
}

impl Names {
    /// `function` is taken by the network itself, and names that begin with it by what callers get beside.
    pub(super) fn new(function: &str) -> Names {
        Names { used: HashSet::from([function.to_string()]), function: function.into() }
    }

    /// `wish`, or with a number behind it when that is taken.
    pub(super) fn unique(&mut self, wish: &str) -> String {
        // A number behind it does not change how a name begins.
        let taken = is_kept(wish) || is_brought(wish) || is_beside(&self.function, wish);
        let wish = if taken { format!("layer_{wish}") } else { wish.to_string() };
        let name = free(&wish, "_", |n| !self.used.contains(n) && !is_reserved(n));
        self.used.insert(name.clone());
        name
    }

    /// A wish for the name of a constant: `l1_weight` of the parameter `l1.weight`.
    pub(super) fn of_constant(&self, graph: &Graph, node: NodeId) -> String {
        graph[node].label.as_ref().map_or("constant".into(), |label| identifier(label))
    }

    /// A hint for a named value.
    pub(super) fn of_value(&self, graph: &Graph, node: NodeId) -> String {
        match &graph[node].op {
            Op::Cast(_) | Op::Reshape(_) | Op::Broadcast(_) | Op::Permute(_) | Op::Slice(_) => "x".into(),
            // A hint for readers alone.
            op => format!("{}_value", op.name()),
        }
    }

    /// The label a kernel goes by, and a name of its own.
    pub(super) fn of_kernel(&mut self, graph: &Graph, group: &Group) -> (Option<Arc<str>>, String) {
        let nodes = [group.inner, group.anchor, Some(group.root)];
        let own = nodes.into_iter().flatten().find_map(|n| graph[n].label.clone());
        let label = own.or_else(|| nodes.into_iter().flatten().find_map(|n| layer_of_weights(graph, n)));
        let name = match &label {
            Some(l) => identifier(l),
            None => graph[group.innermost()].op.name().into(),
        };
        (label, self.unique(&name))
    }
}

/// `l1` when an operand is the parameter `l1.weight`.
fn layer_of_weights(graph: &Graph, node: NodeId) -> Option<Arc<str>> {
    graph[node].operands.iter().find_map(|&o| {
        let label = graph[o].label.as_ref().filter(|_| matches!(graph[o].op, Op::Constant(_)))?;
        label.rsplit_once('.').map(|(layer, _)| layer.into())
    })
}

/// Letters, digits and single underscores, a letter first.
pub(crate) fn identifier(label: &str) -> String {
    let mut name = String::new();
    for c in label.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    match name.chars().next() {
        None => "layer".into(),
        Some(c) if c.is_ascii_digit() => format!("layer_{name}"),
        Some(_) => name.into(),
    }
}

/// Keywords of C (C11 and C23 included) and C++, and what generated code calls itself.
const WORDS: &str = "auto break case char const continue default do double else enum extern float for goto if inline int long \
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false \
    asm main alignas alignof constexpr noreturn nullptr static_assert thread_local typeof typeof_unqual generic imaginary complex \
    and and_eq bitand bitor catch char8_t class co_await co_return co_yield compl concept const_cast consteval constinit decltype \
    delete dynamic_cast explicit export final friend mutable namespace new noexcept not not_eq operator or or_eq override private \
    protected public reinterpret_cast requires static_cast template this throw try typeid typename using virtual wchar_t xor xor_eq \
    arena NAKED WORD_ALIGNED KEEP_ROLLED std";

/// Macros that compilers and headers have without an underscore in front.
const MACROS: &str = "linux unix i386 sun mips sparc hpux vax near far I assert errno math_errhandling NULL NAN INFINITY HUGE_VAL \
    HUGE_VALF HUGE_VALL BUFSIZ FILE CHAR_BIT CLOCKS_PER_SEC L_tmpnam MB_CUR_MAX offsetof setjmp SEEK_CUR SEEK_END SEEK_SET stdin \
    stdout stderr va_arg va_copy va_end va_list va_start isfinite isinf isnan isnormal signbit fpclassify isgreater isgreaterequal \
    isless islessequal islessgreater isunordered WEOF";

/// Headers of C's library: a network's own header would be found instead of them.
const HEADERS: &str = "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg \
    stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar unistd wchar wctype";

/// Functions of C's mathematics (C99 7.12, 7.3), and those that POSIX and compilers add: each is there for `float` and `long double`
/// too, with an f or an l behind it.
const MATHEMATICS: &str = "acos asin atan atan2 cos sin tan acosh asinh atanh cosh sinh tanh exp exp2 expm1 frexp ilogb ldexp log \
    log10 log1p log2 logb modf scalbn scalbln cbrt fabs hypot pow sqrt erf erfc lgamma tgamma ceil floor nearbyint rint lrint llrint \
    round lround llround trunc fmod remainder remquo copysign nan nextafter nexttoward fdim fmax fmin fma cabs cacos cacosh carg casin \
    casinh catan catanh ccos ccosh cexp cimag clog conj cpow cproj creal csin csinh csqrt ctan ctanh clog10 finite isinf isnan drem \
    exp10 pow10 gamma gamma_r lgamma_r j0 j1 jn y0 y1 yn roundeven scalb significand signbit sincos ffs";

/// The other functions of C's library (C99 annex B), and of POSIX those that compilers know.
const LIBRARY: &str = "isalnum isalpha isascii isblank iscntrl isdigit isgraph islower isprint ispunct isspace isupper isxdigit tolower \
    toupper toascii feclearexcept fegetexceptflag feraiseexcept fesetexceptflag fetestexcept fegetround fesetround fegetenv feholdexcept \
    fesetenv feupdateenv imaxabs imaxdiv strtoimax strtoumax wcstoimax wcstoumax localeconv setlocale longjmp signal raise signgam \
    remove rename tmpfile tmpnam fclose fflush fopen freopen setbuf setvbuf fprintf fscanf printf scanf snprintf sprintf sscanf vfprintf \
    vfscanf vprintf vscanf vsnprintf vsprintf vsscanf fgetc fgets fputc fputs getc getchar gets putc putchar puts ungetc fread fwrite \
    fgetpos fseek fsetpos ftell rewind clearerr feof ferror perror atof atoi atol atoll strtod strtof strtold strtol strtoll strtoul \
    strtoull rand srand calloc free malloc realloc abort atexit exit getenv system bsearch qsort abs labs llabs div ldiv lldiv mblen \
    mbtowc wctomb mbstowcs wcstombs memcpy memmove strcpy strncpy strcat strncat memcmp strcmp strcoll strncmp strxfrm memchr strchr \
    strcspn strpbrk strrchr strspn strstr strtok memset strerror strlen clock difftime mktime time asctime ctime gmtime localtime \
    strftime fwprintf fwscanf swprintf swscanf vfwprintf vfwscanf vswprintf vswscanf vwprintf vwscanf wprintf wscanf fgetwc fgetws fputwc \
    fputws fwide getwc getwchar putwc putwchar ungetwc wcstod wcstof wcstold wcstol wcstoll wcstoul wcstoull wcscpy wcsncpy wmemcpy \
    wmemmove wcscat wcsncat wcscmp wcscoll wcsncmp wcsxfrm wmemcmp wcschr wcscspn wcspbrk wcsrchr wcsspn wcsstr wcstok wmemchr wcslen \
    wmemset wcsftime btowc wctob mbsinit mbrlen mbrtowc wcrtomb mbsrtowcs wcsrtombs iswalnum iswalpha iswblank iswcntrl iswdigit iswgraph \
    iswlower iswprint iswpunct iswspace iswupper iswxdigit iswctype wctype towlower towupper towctrans wctrans alloca bcmp bcopy bzero \
    index rindex dcgettext dgettext gettext fprintf_unlocked printf_unlocked fputs_unlocked fputc_unlocked putchar_unlocked puts_unlocked \
    ffsll mempcpy memccpy stpcpy stpncpy strcasecmp strncasecmp strdup strndup strnlen strsep strfmon aligned_alloc posix_memalign \
    quick_exit at_quick_exit timespec_get execl execle execlp execv execve execvp fork";

/// Functions of POSIX that compilers do not know, but programs may be linked with.
const SYSTEM: &str = "vfork wait waitpid read write open close creat \
    lseek pipe dup dup2 stat fstat lstat link unlink symlink chdir rmdir mkdir mkfifo access chmod chown umask sync fsync truncate \
    ftruncate mmap munmap mprotect ioctl fcntl poll select accept bind connect listen socket send recv shutdown sleep usleep nanosleep \
    alarm pause kill getpid getppid getuid geteuid getgid isatty brk sbrk random srandom initstate setstate drand48 erand48 lrand48 \
    nrand48 mrand48 jrand48 srand48 environ optarg optind opterr optopt getopt fileno fdopen popen pclose times daemon nice syscall \
    sigaction sigprocmask crypt encrypt swab";

/// How the names begin of functions that generated code brings along.
const BROUGHT: &str = "pair_sums row_sums window_sums quantize_8 quantize_16 dequantize_8";

/// How the names begin, behind that of the network, of what callers get beside it; in Rust nothing stands before.
const BESIDE: &str = "argmax labels quantize_input dequantize_output";

/// The same of those that end in a type: `max_f32` is one, `max_pool` is none.
const ARITHMETIC: &str =
    "wrap_ div_ rem_ pow_ mul_high_ shl_ shr_ abs_ sign_ max_ min_ sigmoid_ bits_ exp_ tanh_ high_";

fn has(list: &str, name: &str) -> bool {
    list.split_whitespace().any(|word| word == name)
}

/// True for names of the kinds that C keeps for the macros of its headers, those of later versions, too (C99 7.26, 5.2.4.2.2): another
/// number behind one makes another such name.
fn is_kept(name: &str) -> bool {
    const BEGINNINGS: &str = "FE_ FP_ FLT_ DBL_ LDBL_ DECIMAL_ MATH_ LC_ SIG";
    const FORMATS: [&str; 2] = ["PRI", "SCN"];
    let behind = |begin: &str| name.strip_prefix(begin).and_then(|rest| rest.chars().next());
    let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let begins = BEGINNINGS.split_whitespace().any(|b| behind(b).is_some_and(upper));
    let of_errors = name.len() > 1 && name.starts_with('E') && name.chars().all(upper);
    let of_formats = FORMATS.iter().any(|b| behind(b).is_some_and(|c| c.is_ascii_lowercase() || c == 'X'));
    begins || of_errors || of_formats
}

/// True for names that mean something in C, C++ or Rust, or that their libraries own: another function of the name, even one that only
/// its own file sees, is not what compilers take it for.
fn is_reserved(name: &str) -> bool {
    let of_headers = ["_t", "_MAX", "_MIN", "_C"].iter().any(|end| name.ends_with(end)) || is_kept(name);
    let of_mathematics = |name: &str| has(MATHEMATICS, name);
    let of_width = name.strip_suffix(['f', 'l']).is_some_and(of_mathematics);
    crate::rust::is_keyword(name)
        || of_headers
        || is_brought(name)
        || [WORDS, MACROS, LIBRARY].iter().any(|list| has(list, name))
        || of_mathematics(name)
        || of_width
}

/// True for names that moreover no function can have that other files see, or no file.
pub(crate) fn is_owned(name: &str) -> bool {
    let beside =
        ["argmax", "quantize_input", "dequantize_output"].iter().any(|begin| name.starts_with(begin));
    is_reserved(name) || beside || [HEADERS, SYSTEM].iter().any(|list| has(list, name))
}

/// True for names of the kind that what callers get beside `function` has.
fn is_beside(function: &str, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(function).and_then(|rest| rest.strip_prefix('_')) else {
        return false;
    };
    let numbered =
        |begin: &str| rest.strip_prefix(begin).is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()));
    numbered("input") || numbered("output") || BESIDE.split_whitespace().any(|begin| rest.starts_with(begin))
}

/// True for names of the kind that functions have which generated code brings along.
fn is_brought(name: &str) -> bool {
    let of_type = |d: &DType| name.strip_suffix(d.name()).is_some_and(|n| n.ends_with('_'));
    let begins = |list: &str| list.split_whitespace().any(|b| name.starts_with(b));
    begins(BROUGHT) || (name.contains("_from_") || begins(ARITHMETIC)) && DType::ALL.iter().any(of_type)
}

/// All words of the lists, for tests.
#[cfg(test)]
fn all() -> impl Iterator<Item = &'static str> {
    [WORDS, MACROS, HEADERS, MATHEMATICS, LIBRARY, SYSTEM, BROUGHT, ARITHMETIC]
        .into_iter()
        .flat_map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use super::all;
    use super::*;

    #[test]
    fn names_that_headers_may_have_one_day_are_kept() {
        for (name, kept) in [
            ("E", false),
            ("E2", true),
            ("E_BIG", true),
            ("Exp", false),
            ("e2", false),
            ("SIG", false),
            ("SIGNAL", true),
            ("SIG_X", true),
            ("SIGma", false),
            ("FE_1", true),
            ("LC_", false),
            ("LC_a", false),
            ("PRI", false),
            ("PRIa", true),
            ("PRIX", true),
            ("PRIY", false),
            ("SCNd", true),
        ] {
            assert_eq!(is_kept(name), kept, "{name}");
        }
    }

    #[test]
    fn labels_become_identifiers() {
        let labels = ["conv1.weight", "a//b", "_x_", "3d", "", "--", "é", "A9"];
        let names = ["conv1_weight", "a_b", "x", "layer_3d", "layer", "layer", "layer", "A9"];
        assert_eq!(labels.map(identifier), names);
    }

    #[test]
    fn every_wish_gets_names_that_are_free() {
        let mut names = Names::new("net");
        for wish in all()
            .chain(["ETWO", "SIGTWO", "PRItwo", "LC_TWO", "INT9_C"])
            .flat_map(|r| [r.trim_end_matches('_').to_string(), format!("{r}f32"), format!("{r}x")])
        {
            let (first, second) = (names.unique(&wish), names.unique(&wish));
            assert_ne!(first, second);
            assert!(!is_reserved(&first) && !is_reserved(&second), "{wish}: {first}, {second}");
        }
    }
}
