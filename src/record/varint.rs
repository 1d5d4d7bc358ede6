//! Variable-length integers of the record format: base 128, least significant group first; signed ones zigzag.
//!
//! Reading takes from the front of a slice. An encoding that is cut off, longer than its type allows, or sets bits that
//! its type has no room for is refused (ByteUtils.java drops such bits; no encoder makes them).

/// Longest encoding of a 32-bit number in bytes.
pub const VARINT_BYTES_MAX: usize = 5;
/// Longest encoding of a 64-bit number in bytes.
pub const VARLONG_BYTES_MAX: usize = 10;

/// Takes an unsigned 32-bit number from the front of `input`; `None` if there is no valid one.
#[inline]
pub fn take_unsigned(input: &mut &[u8]) -> Option<u32> {
    match take_short_form(input) {
        Some(value) => Some(value),
        None => u32::try_from(take_long_form(input, VARINT_BYTES_MAX)?).ok(),
    }
}

/// Takes an unsigned 64-bit number from the front of `input`; `None` if there is no valid one.
#[inline]
pub fn take_unsigned_long(input: &mut &[u8]) -> Option<u64> {
    match take_short_form(input) {
        Some(value) => Some(u64::from(value)),
        None => take_long_form(input, VARLONG_BYTES_MAX),
    }
}

/// Takes a zigzag 32-bit number (`varint`) from the front of `input`; `None` if there is no valid one.
#[inline]
pub fn take_varint(input: &mut &[u8]) -> Option<i32> {
    let raw = take_unsigned(input)?;
    Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Takes a zigzag 64-bit number (`varlong`) from the front of `input`; `None` if there is no valid one.
#[inline]
pub fn take_varlong(input: &mut &[u8]) -> Option<i64> {
    let raw = take_unsigned_long(input)?;
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

/// Appends an unsigned 32-bit number.
pub fn put_unsigned(out: &mut Vec<u8>, value: u32) {
    put_unsigned_long(out, u64::from(value));
}

/// Appends an unsigned 64-bit number.
pub fn put_unsigned_long(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a zigzag 32-bit number (`varint`).
pub fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_unsigned(out, ((value << 1) ^ (value >> 31)) as u32);
}

/// Appends a zigzag 64-bit number (`varlong`).
pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_unsigned_long(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Bytes that [`put_varint`] writes for `value`.
pub fn varint_len(value: i32) -> usize {
    varlong_len(i64::from(value))
}

/// Bytes that [`put_varlong`] writes for `value`.
pub fn varlong_len(value: i64) -> usize {
    let raw = ((value << 1) ^ (value >> 63)) as u64;
    let bits = (64 - raw.leading_zeros() as usize).max(1);
    bits.div_ceil(7)
}

/// Up to three bytes, which nearly all numbers in records are, without a loop.
#[inline]
fn take_short_form(input: &mut &[u8]) -> Option<u32> {
    let group = |byte: u8| u32::from(byte & 0x7f);
    let (value, rest) = match *input {
        [first, rest @ ..] if *first < 0x80 => (u32::from(*first), rest),
        [first, second, rest @ ..] if *second < 0x80 => (group(*first) | group(*second) << 7, rest),
        [first, second, third, rest @ ..] if *third < 0x80 => {
            (group(*first) | group(*second) << 7 | group(*third) << 14, rest)
        }
        _ => return None,
    };
    *input = rest;
    Some(value)
}

#[cold]
fn take_long_form(input: &mut &[u8], bytes_max: usize) -> Option<u64> {
    let mut value = 0u64;
    for (index, &byte) in input.iter().enumerate().take(bytes_max) {
        let group = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        // The tenth group of a 64-bit number has room for one bit.
        if shift == 63 && group > 1 {
            return None;
        }
        value |= group << shift;
        if byte < 0x80 {
            *input = input.get(index + 1..)?;
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_encodings_match_kafka() {
        for (value, expected) in [
            (0, vec![0x00]),
            (-1, vec![0x01]),
            (1, vec![0x02]),
            (63, vec![0x7e]),
            (-64, vec![0x7f]),
            (64, vec![0x80, 0x01]),
            (i32::MAX, vec![0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i32::MIN, vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, expected, "{value}");
        }
    }

    #[test]
    fn overlong_and_cut_encodings_are_refused() {
        assert_eq!(take_varint(&mut &[][..]), None);
        assert_eq!(take_varint(&mut &[0x80, 0x80][..]), None);
        assert_eq!(take_varint(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), None, "33 bits");
        assert_eq!(take_varint(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..]), None, "six bytes");
        assert_eq!(take_varlong(&mut &[0xff; 10][..]), None);
        let mut eleven = vec![0x80; 10];
        eleven.push(0);
        assert_eq!(take_varlong(&mut &eleven[..]), None);
    }

    proptest! {
        #[test]
        fn numbers_survive_and_lengths_are_told(int in any::<i32>(), long in any::<i64>(), unsigned in any::<u32>()) {
            let mut out = Vec::new();
            put_varint(&mut out, int);
            prop_assert_eq!(out.len(), varint_len(int));
            put_varlong(&mut out, long);
            prop_assert_eq!(out.len(), varint_len(int) + varlong_len(long));
            put_unsigned(&mut out, unsigned);
            let mut input = &out[..];
            prop_assert_eq!(take_varint(&mut input), Some(int));
            prop_assert_eq!(take_varlong(&mut input), Some(long));
            prop_assert_eq!(take_unsigned(&mut input), Some(unsigned));
            prop_assert!(input.is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut input = &bytes[..];
            if take_varlong(&mut input).is_some() {
                prop_assert!(input.len() < bytes.len());
            } else {
                prop_assert_eq!(input, &bytes[..]);
            }
        }
    }
}
