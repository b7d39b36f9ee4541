/// The fields of a protobuf message, one after the other; ends at the first that does not fit.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// A field's number and its content.
pub(super) enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            let tag = self.number()?;
            match tag & 7 {
                0 => return self.number().map(|value| Field::Number(tag >> 3, value)),
                2 => {
                    let length = self.number()?;
                    return self.take(length).map(|bytes| Field::Bytes(tag >> 3, bytes));
                }
                1 => self.take(8)?,
                5 => self.take(4)?,
                _ => return None,
            };
        }
    }
}

/// The last number in field `field`; 0 where it is left out, as protobuf has it.
pub(super) fn number(message: &[u8], field: u64) -> u64 {
    let of = |found| match found {
        Field::Number(number, value) if number == field => Some(value),
        _ => None,
    };
    Fields::of(message).filter_map(of).last().unwrap_or(0)
}

/// The last bytes in field `field`; `None` where it is left out.
pub(super) fn bytes(message: &[u8], field: u64) -> Option<&[u8]> {
    all(message, field).last()
}

/// All bytes in field `field`, in order.
pub(super) fn all(message: &[u8], field: u64) -> impl Iterator<Item = &[u8]> {
    Fields::of(message).filter_map(move |found| match found {
        Field::Bytes(number, bytes) if number == field => Some(bytes),
        _ => None,
    })
}

/// A field with a number, as protobuf writes it.
pub(super) fn written_number(field: u8, value: u64) -> Vec<u8> {
    let mut bytes = vec![field << 3];
    varint(&mut bytes, value);
    bytes
}

/// A field with bytes.
pub(super) fn written_bytes(field: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    varint(&mut bytes, value.len() as u64);
    bytes.extend_from_slice(value);
    bytes
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
