//! Bytes as they lie on volumes and in checkpoints: big-endian fields, EBCDIC text, CRC-32C, and the encoding of
//! durable state.

use crate::error::{Error, Reason, Result};

/// The big-endian 16-bit field at `offset`.
pub fn be16(bytes: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes([bytes[offset], bytes[offset + 1]])
}

/// The big-endian 32-bit field at `offset`.
pub fn be32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(array(bytes, offset))
}

/// The `N` bytes at `offset`.
pub fn array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}

/// Sets the big-endian 16-bit field at `offset`.
pub fn put16(bytes: &mut [u8], offset: usize, value: u16) {
    bytes[offset..offset + 2].copy_from_slice(&value.to_be_bytes());
}

/// Sets the big-endian 32-bit field at `offset`.
pub fn put32(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
}

/// Code page 037, to Latin-1 code points (FORMATS 8.1).
const CP037: [u8; 256] = [
    0x00, 0x01, 0x02, 0x03, 0x9C, 0x09, 0x86, 0x7F, 0x97, 0x8D, 0x8E, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
    0x10, 0x11, 0x12, 0x13, 0x9D, 0x85, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8F, 0x1C, 0x1D, 0x1E, 0x1F,
    0x80, 0x81, 0x82, 0x83, 0x84, 0x0A, 0x17, 0x1B, 0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x05, 0x06, 0x07,
    0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98, 0x99, 0x9A, 0x9B, 0x14, 0x15, 0x9E, 0x1A,
    0x20, 0xA0, 0xE2, 0xE4, 0xE0, 0xE1, 0xE3, 0xE5, 0xE7, 0xF1, 0xA2, 0x2E, 0x3C, 0x28, 0x2B, 0x7C,
    0x26, 0xE9, 0xEA, 0xEB, 0xE8, 0xED, 0xEE, 0xEF, 0xEC, 0xDF, 0x21, 0x24, 0x2A, 0x29, 0x3B, 0xAC,
    0x2D, 0x2F, 0xC2, 0xC4, 0xC0, 0xC1, 0xC3, 0xC5, 0xC7, 0xD1, 0xA6, 0x2C, 0x25, 0x5F, 0x3E, 0x3F,
    0xF8, 0xC9, 0xCA, 0xCB, 0xC8, 0xCD, 0xCE, 0xCF, 0xCC, 0x60, 0x3A, 0x23, 0x40, 0x27, 0x3D, 0x22,
    0xD8, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0xAB, 0xBB, 0xF0, 0xFD, 0xFE, 0xB1,
    0xB0, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70, 0x71, 0x72, 0xAA, 0xBA, 0xE6, 0xB8, 0xC6, 0xA4,
    0xB5, 0x7E, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0xA1, 0xBF, 0xD0, 0xDD, 0xDE, 0xAE,
    0x5E, 0xA3, 0xA5, 0xB7, 0xA9, 0xA7, 0xB6, 0xBC, 0xBD, 0xBE, 0x5B, 0x5D, 0xAF, 0xA8, 0xB4, 0xD7,
    0x7B, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0xAD, 0xF4, 0xF6, 0xF2, 0xF3, 0xF5,
    0x7D, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F, 0x50, 0x51, 0x52, 0xB9, 0xFB, 0xFC, 0xF9, 0xFA, 0xFF,
    0x5C, 0xF7, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0xB2, 0xD4, 0xD6, 0xD2, 0xD3, 0xD5,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0xB3, 0xDB, 0xDC, 0xD9, 0xDA, 0x9F,
];

/// EBCDIC text for display: trailing blanks and zeros are dropped, and a name with bytes that do not print is shown in
/// hexadecimal, as `X'..'`.
pub fn ebcdic_text(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|&byte| byte != 0x40 && byte != 0).map_or(0, |last| last + 1);
    let bytes = &bytes[..end];
    if bytes.iter().all(|&byte| matches!(CP037[byte as usize], 0x20..=0x7E)) {
        bytes.iter().map(|&byte| CP037[byte as usize] as char).collect()
    } else {
        format!("X'{}'", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
    }
}

/// The EBCDIC byte of an ASCII character that can be displayed, or `None`.
pub fn to_ebcdic(character: char) -> Option<u8> {
    if !(' '..='~').contains(&character) {
        return None;
    }
    CP037.iter().position(|&ascii| ascii as char == character).map(|byte| byte as u8)
}

/// Tables for CRC-32C by slices of 16 bytes, made at compile time.
const CRC_TABLES: [[u32; 256]; 16] = {
    let mut tables = [[0u32; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut slice = 1;
    while slice < 16 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[slice - 1][byte];
            tables[slice][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
};

/// CRC-32C (Castagnoli) of `bytes`, going on from `crc` (0 at the start).
///
/// ```
/// assert_eq!(trackmirror::bytes::crc32c(0, b"123456789"), 0xE306_9283);
/// ```
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    let mut crc = !crc;
    let (chunks, rest) = bytes.as_chunks::<16>();
    for chunk in chunks {
        let mut next = 0;
        let head = (u32::from_le_bytes(array(chunk, 0)) ^ crc).to_le_bytes();
        for (index, &byte) in head.iter().chain(&chunk[4..]).enumerate() {
            next ^= CRC_TABLES[15 - index][byte as usize];
        }
        crc = next;
    }
    for &byte in rest {
        crc = (crc >> 8) ^ CRC_TABLES[0][((crc ^ u32::from(byte)) & 0xFF) as usize];
    }
    !crc
}

/// A value that can be written into durable state and read back. All numbers are big-endian; texts, lists and byte
/// strings begin with a 32-bit length.
pub trait Encode: Sized {
    /// Appends the value.
    fn encode(&self, to: &mut Encoder);
    /// Reads the value; anything that is not of its form is an error, never a panic.
    fn decode(from: &mut Decoder<'_>) -> Result<Self>;
}

/// Whether a record of durable state under this tag must be understood by whoever reads it: those that may be passed over
/// begin with a small letter.
pub fn must_be_known(tag: [u8; 4]) -> bool {
    !tag[0].is_ascii_lowercase()
}

/// Collects encoded values.
#[derive(Default)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// An empty collection.
    pub fn new() -> Encoder {
        Encoder::default()
    }
    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    /// Appends a byte string of any length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.put(&(bytes.len() as u32));
        self.raw(bytes);
    }
    /// Appends a value.
    pub fn put(&mut self, value: &impl Encode) {
        value.encode(self);
    }
    /// What was collected.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Takes encoded values from bytes.
pub struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder(bytes)
    }
    /// Takes `length` bytes as they are.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| {
            Error::new(
                Reason::EndOfData,
                format!("{} bytes are left where {length} are needed", self.0.len()),
            )
        })?;
        self.0 = rest;
        Ok(taken)
    }
    /// Takes a byte string of any length.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.get::<u32>()? as usize;
        self.raw(length)
    }
    /// Takes a value.
    pub fn get<T: Encode>(&mut self) -> Result<T> {
        T::decode(self)
    }
    /// Whether everything was taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The value encoded alone.
pub fn encoded(value: &impl Encode) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.put(value);
    encoder.into_bytes()
}

macro_rules! encode_number {
    ($($number:ty),*) => { $(
        impl Encode for $number {
            fn encode(&self, to: &mut Encoder) { to.raw(&self.to_be_bytes()); }
            fn decode(from: &mut Decoder<'_>) -> Result<$number> {
                Ok(<$number>::from_be_bytes(from.get()?))
            }
        }
    )* };
}
encode_number!(u8, u16, u32, u64);

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, to: &mut Encoder) {
        to.raw(self);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<[u8; N]> {
        Ok(array(from.raw(N)?, 0))
    }
}

impl Encode for bool {
    fn encode(&self, to: &mut Encoder) {
        to.put(&u8::from(*self));
    }
    fn decode(from: &mut Decoder<'_>) -> Result<bool> {
        match from.get::<u8>()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Error::new(Reason::EndOfData, format!("{other} is not a truth value"))),
        }
    }
}

impl Encode for String {
    fn encode(&self, to: &mut Encoder) {
        to.put(&(self.len() as u32));
        to.raw(self.as_bytes());
    }
    fn decode(from: &mut Decoder<'_>) -> Result<String> {
        let length = from.get::<u32>()? as usize;
        String::from_utf8(from.raw(length)?.to_vec())
            .map_err(|_| Error::new(Reason::EndOfData, "a text is not UTF-8"))
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, to: &mut Encoder) {
        to.put(&(self.len() as u32));
        self.iter().for_each(|value| to.put(value));
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Vec<T>> {
        // No capacity is taken from the stored length: it may be damaged, and each value is at least one byte.
        (0..from.get::<u32>()?).map(|_| from.get()).collect()
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.0);
        to.put(&self.1);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<(A, B)> {
        Ok((from.get()?, from.get()?))
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.is_some());
        self.iter().for_each(|value| to.put(value));
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Option<T>> {
        Ok(if from.get()? { Some(from.get()?) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_goes_on_in_pieces_of_any_length() {
        let bytes: Vec<u8> = (0..1000u32).map(|n| (n * 7) as u8).collect();
        let whole = crc32c(0, &bytes);
        for cut in [0, 1, 15, 16, 17, 500, 999, 1000] {
            assert_eq!(crc32c(crc32c(0, &bytes[..cut]), &bytes[cut..]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn text_that_does_not_print_is_shown_in_hexadecimal() {
        assert_eq!(ebcdic_text(&[0xC1, 0x4B, 0x7B, 0x40, 0x00]), "A.#");
        assert_eq!(ebcdic_text(&[0xC1, 0x04]), "X'C104'");
        assert!(('A'..='Z').all(|c| ebcdic_text(&[to_ebcdic(c).unwrap()]) == c.to_string()));
    }

    #[test]
    fn damaged_encodings_are_errors() {
        let bytes = encoded(&vec![Some("A".to_string()), None]);
        assert_eq!(
            Decoder::new(&bytes).get::<Vec<Option<String>>>().unwrap(),
            [Some("A".into()), None]
        );
        for length in 0..bytes.len() {
            assert!(Decoder::new(&bytes[..length]).get::<Vec<Option<String>>>().is_err());
        }
        assert!(Decoder::new(&[0xFF; 9]).get::<Vec<u8>>().is_err());
    }
}
