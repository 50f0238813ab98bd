//! FlatBuffers, read where they lie.
//!
//! Every access is checked against the bytes there are; nothing is copied, nothing recurses. What is absent has its default, what
//! points outside the file is [`Broken`]. The layout: <https://flatbuffers.dev/internals>.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

/// Something points outside the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Broken {
    /// Where the pointer or length is, in bytes from the start.
    pub(crate) at: usize,
    /// How many bytes the file has.
    pub(crate) of: usize,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "what is at byte {} points outside the file", self.at)
    }
}

/// Result of an access.
pub(crate) type Access<T> = Result<T, Broken>;

/// A number as it is stored: little-endian.
pub(crate) trait Stored: Copy {
    const SIZE: usize;
    /// From exactly `SIZE` bytes.
    fn load(bytes: &[u8]) -> Self;
}

macro_rules! stored {
    ($($t:ty)*) => { $(
        impl Stored for $t {
            const SIZE: usize = size_of::<$t>();
            fn load(bytes: &[u8]) -> Self {
                <$t>::from_le_bytes(bytes.try_into().expect("as many bytes as the number has"))
            }
        }
    )* };
}
stored!(i8 u8 i16 u16 i32 u32 i64 u64 f32);

impl Stored for bool {
    const SIZE: usize = 1;
    fn load(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
}

/// A field: its place in the table, and its value when absent.
#[derive(Clone, Copy)]
pub(crate) struct Scalar<T> {
    place: u16,
    pub(crate) default: T,
    /// The number of its table in the union of options, where it is an option.
    pub(crate) union: u8,
}

impl<T: Copy> Scalar<T> {
    pub(crate) const fn new(place: u16, default: T) -> Scalar<T> {
        Scalar { place, default, union: 0 }
    }

    pub(crate) const fn of(self, union: u8) -> Scalar<T> {
        Scalar { union, ..self }
    }
}

/// A field that refers to a table, vector or text.
pub(crate) type Reference = Scalar<Referred>;

/// What has no value of its own when absent.
#[derive(Clone, Copy)]
pub(crate) struct Referred;

impl Reference {
    pub(crate) const fn at(place: u16) -> Reference {
        Scalar::new(place, Referred)
    }
}

/// A table somewhere in a file.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    file: &'a [u8],
    at: usize,
    /// Its list of field offsets, without the two sizes in front.
    fields: &'a [u8],
}

fn load<T: Stored>(file: &[u8], at: usize) -> Access<T> {
    let bytes = at.checked_add(T::SIZE).and_then(|end| file.get(at..end));
    bytes.map(T::load).ok_or(Broken { at, of: file.len() })
}

/// The position that the offset stored at `at` leads to.
fn follow(file: &[u8], at: usize) -> Access<usize> {
    let offset: u32 = load(file, at)?;
    at.checked_add(offset as usize).filter(|&to| to < file.len()).ok_or(Broken { at, of: file.len() })
}

impl<'a> Table<'a> {
    /// The root table of a file.
    pub(crate) fn root(file: &'a [u8]) -> Access<Table<'a>> {
        Table::at(file, follow(file, 0)?)
    }

    fn at(file: &'a [u8], at: usize) -> Access<Table<'a>> {
        // The distance to the list of fields is signed and is subtracted.
        let back: i32 = load(file, at)?;
        let list = usize::try_from(at as i64 - i64::from(back)).map_err(|_| Broken { at, of: file.len() })?;
        let size: u16 = load(file, list)?;
        let fields =
            file.get(list..list.saturating_add(size.into())).ok_or(Broken { at: list, of: file.len() })?;
        Ok(Table { file, at, fields: fields.get(4..).unwrap_or_default() })
    }

    /// Where the field at `place` is; `None` when it is absent.
    fn field(&self, place: u16) -> Option<usize> {
        let entry = 2 * usize::from(place);
        let offset = u16::load(self.fields.get(entry..entry + 2)?);
        (offset != 0).then(|| self.at + usize::from(offset))
    }

    /// A number, or its default.
    pub(crate) fn get<T: Stored>(&self, field: Scalar<T>) -> Access<T> {
        self.field(field.place).map_or(Ok(field.default), |at| load(self.file, at))
    }

    /// A table, if there is one.
    pub(crate) fn table(&self, field: Reference) -> Access<Option<Table<'a>>> {
        self.field(field.place).map(|at| Table::at(self.file, follow(self.file, at)?)).transpose()
    }

    /// The numbers of a vector; none when it is absent.
    pub(crate) fn vector<T: Stored>(&self, field: Reference) -> Access<Vector<'a, T>> {
        Ok(Vector { bytes: &self.file[self.elements(field, T::SIZE)?], kind: PhantomData })
    }

    /// Whether the field is there at all.
    pub(crate) fn has(&self, field: Reference) -> bool {
        self.field(field.place).is_some()
    }

    /// A text; empty when it is no UTF-8.
    pub(crate) fn text(&self, field: Reference) -> Access<&'a str> {
        Ok(std::str::from_utf8(&self.file[self.elements(field, 1)?]).unwrap_or_default())
    }

    /// The tables of a vector of tables.
    pub(crate) fn tables(&self, field: Reference) -> Access<Tables<'a>> {
        let range = self.elements(field, 4)?;
        Ok(Tables { file: self.file, start: range.start, count: range.len() / 4 })
    }

    /// Where the elements of a vector are, `size` bytes each; nowhere when the vector is absent.
    fn elements(&self, field: Reference, size: usize) -> Access<Range<usize>> {
        let Some(at) = self.field(field.place) else { return Ok(0..0) };
        let at = follow(self.file, at)?;
        let count: u32 = load(self.file, at)?;
        let end = (count as usize).checked_mul(size).and_then(|n| n.checked_add(at + 4));
        let of = self.file.len();
        end.filter(|&end| end <= of).map(|end| at + 4..end).ok_or(Broken { at, of })
    }
}

/// The numbers of a vector, where they lie.
#[derive(Clone, Copy)]
pub(crate) struct Vector<'a, T> {
    bytes: &'a [u8],
    kind: PhantomData<T>,
}

impl<'a, T: Stored> Vector<'a, T> {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() / T::SIZE
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn get(&self, i: usize) -> Option<T> {
        self.bytes.get(i.checked_mul(T::SIZE)?..)?.get(..T::SIZE).map(T::load)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = T> + use<'a, T> {
        self.bytes.chunks_exact(T::SIZE).map(T::load)
    }
}

impl<'a> Vector<'a, u8> {
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The tables of a vector, found when asked for.
#[derive(Clone, Copy)]
pub(crate) struct Tables<'a> {
    file: &'a [u8],
    start: usize,
    count: usize,
}

impl<'a> Tables<'a> {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Table `i`.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn get(&self, i: usize) -> Access<Table<'a>> {
        assert!(i < self.len(), "table {i} of {}", self.len());
        Table::at(self.file, follow(self.file, self.start + 4 * i)?)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Access<Table<'a>>> {
        (0..self.len()).map(move |i| self.get(i))
    }
}
