//! The canonical form of JSON (RFC 8785), for the types of a record.

mod text;

use serde::ser::{self, Serialize};
use std::fmt::{self, Write as _};
use std::ops::Range;
use text::{escape, order};

/// The largest integer that every reader of JSON has exactly: 2^53 - 1. What is beyond it becomes it.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Lists and objects within each other, beyond which the inner ones are left out: readers stop at 128.
const MAX_DEPTH: usize = 100;

/// What stands for one that is left out.
const TOO_DEEP: &str = "[nested too deep]";

/// The name that serde_json gives the struct of a number when its feature `arbitrary_precision` is on,
/// which any crate of a program can switch on for all.
const ARBITRARY: &str = "$serde_json::private::Number";

/// Writes values in canonical form.
#[derive(Default)]
pub(super) struct Canonical {
    /// What was written.
    pub out: Vec<u8>,
    /// The members of all objects that are open.
    members: Vec<Member>,
    /// Their names as they are compared.
    names: Vec<u8>,
    scratch: Vec<u8>,
    depth: usize,
    /// Whether the next string is a member's name.
    name: bool,
    /// The longest string, in bytes; 0 for any.
    longest: usize,
}

/// A member of an object: its name in `names`, and where it stands in `out`.
#[derive(Clone)]
struct Member {
    name: Range<usize>,
    at: Range<usize>,
}

/// A value that has no canonical form.
#[derive(Debug)]
pub(super) struct CanonicalError(String);

impl Canonical {
    /// Writes the value after what is there. Strings longer than `longest` bytes are cut, unless it is 0.
    pub fn write(&mut self, value: &impl Serialize, longest: usize) -> Result<(), CanonicalError> {
        self.members.clear();
        self.names.clear();
        self.depth = 0;
        self.name = false;
        self.longest = longest;
        value.serialize(self)
    }

    fn string(&mut self, text: &str) {
        if self.name {
            self.names.extend_from_slice(text.as_bytes());
        } else if self.longest > 0 && text.len() > self.longest {
            let mut end = self.longest;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let more = text.len() - end;
            return escape(
                &mut self.out,
                &format!("{}\u{2026}[{more} bytes more]", &text[..end]),
            );
        }
        escape(&mut self.out, text);
    }

    fn unsigned(&mut self, number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = number.min(MAX_INTEGER);
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    fn signed(&mut self, number: i64) {
        if number < 0 {
            self.out.push(b'-');
        }
        self.unsigned(number.unsigned_abs());
    }

    /// As ECMAScript writes it (ECMA-262, Number::toString), which is what RFC 8785 asks for.
    fn float(&mut self, number: f64) -> Result<(), CanonicalError> {
        if !number.is_finite() {
            return Err(CanonicalError(format!("JSON has no number {number}")));
        }
        if number == 0.0 {
            self.out.push(b'0');
            return Ok(());
        }
        if number < 0.0 {
            self.out.push(b'-');
        }
        // The shortest digits that are read as the same number, and the power of ten of the first.
        let text = format!("{:e}", number.abs());
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits: String = digits.chars().filter(|c| *c != '.').collect();
        let point = exponent.parse::<i32>().unwrap_or(0) + 1;
        let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
        let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
        let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0));
        let text = match point {
            // An integer, which is held to the same bound as all others.
            17..=21 => MAX_INTEGER.to_string(),
            16 if number.abs() >= 9_007_199_254_740_992.0 => MAX_INTEGER.to_string(),
            1..=21 if count <= point => format!("{digits}{}", zeros(point - count)),
            1..=21 => {
                let (whole, rest) = split(point);
                format!("{whole}.{rest}")
            }
            -5..=0 => format!("0.{}{digits}", zeros(-point)),
            _ => {
                let (first, rest) = split(1);
                let dot = if rest.is_empty() { "" } else { "." };
                format!("{first}{dot}{rest}e{:+}", point - 1)
            }
        };
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Opens a list or an object; none where it is one too deep, and a text stands for it.
    fn open(&mut self, bracket: u8) -> bool {
        if self.depth >= MAX_DEPTH {
            escape(&mut self.out, TOO_DEEP);
            return false;
        }
        self.depth += 1;
        self.out.push(bracket);
        true
    }

    /// Closes an object: its members are put in order.
    fn close(&mut self, start: usize, first: usize) {
        let members = &self.members[first..];
        let names = &self.names;
        let sorted = members
            .windows(2)
            .all(|pair| order(&names[pair[0].name.clone()], &names[pair[1].name.clone()]).is_le());
        if !sorted {
            let mut members = members.to_vec();
            members.sort_by(|a, b| order(&names[a.name.clone()], &names[b.name.clone()]));
            self.scratch.clear();
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    self.scratch.push(b',');
                }
                self.scratch.extend_from_slice(&self.out[member.at.clone()]);
            }
            self.out.truncate(start + 1);
            self.out.extend_from_slice(&self.scratch);
        }
        self.out.push(b'}');
        if let Some(member) = self.members.get(first) {
            self.names.truncate(member.name.start);
        }
        self.members.truncate(first);
        self.depth -= 1;
    }
}

/// A list that is open.
pub(super) struct List<'a> {
    writer: &'a mut Canonical,
    open: bool,
    any: bool,
}

/// An object that is open.
pub(super) struct Object<'a> {
    writer: &'a mut Canonical,
    start: usize,
    first: usize,
    open: bool,
    /// The member whose value is still to come.
    pending: Option<(Range<usize>, usize)>,
    number: bool,
}

impl Object<'_> {
    fn name(&mut self, name: &(impl Serialize + ?Sized)) -> Result<(), CanonicalError> {
        let writer = &mut *self.writer;
        if writer.members.len() > self.first {
            writer.out.push(b',');
        }
        let (at, known) = (writer.out.len(), writer.names.len());
        writer.name = true;
        let result = name.serialize(&mut *writer);
        writer.name = false;
        result?;
        if writer.out.get(at) != Some(&b'"') {
            return Err(CanonicalError("a member's name has to be text".to_owned()));
        }
        writer.out.push(b':');
        self.pending = Some((known..writer.names.len(), at));
        Ok(())
    }

    fn value(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), CanonicalError> {
        value.serialize(&mut *self.writer)?;
        if let Some((name, at)) = self.pending.take() {
            let at = at..self.writer.out.len();
            self.writer.members.push(Member { name, at });
        }
        Ok(())
    }

    /// A number that comes as text.
    fn digits(&mut self, text: &(impl Serialize + ?Sized)) -> Result<(), CanonicalError> {
        let start = self.writer.out.len();
        text.serialize(&mut *self.writer)?;
        let quoted = self.writer.out.split_off(start);
        let text = str::from_utf8(&quoted).unwrap_or_default();
        let text = text.trim_matches('"');
        if let Ok(number) = text.parse::<u64>() {
            self.writer.unsigned(number);
        } else if let Ok(number) = text.parse::<i64>() {
            self.writer.signed(number);
        } else {
            let number = text.parse::<f64>();
            let bounded = number.unwrap_or(0.0).clamp(f64::MIN, f64::MAX);
            self.writer.float(bounded)?;
        }
        Ok(())
    }
}

impl ser::SerializeSeq for List<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        if !self.open {
            return Ok(());
        }
        if std::mem::replace(&mut self.any, true) {
            self.writer.out.push(b',');
        }
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Self::Error> {
        if self.open {
            self.writer.out.push(b']');
            self.writer.depth -= 1;
        }
        Ok(())
    }
}

impl ser::SerializeTuple for List<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Self::Error> {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleStruct for List<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Self::Error> {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Self::Error> {
        if self.open { self.name(key) } else { Ok(()) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        if self.open { self.value(value) } else { Ok(()) }
    }

    fn end(self) -> Result<(), Self::Error> {
        if self.open {
            self.writer.close(self.start, self.first);
        }
        Ok(())
    }
}

impl ser::SerializeStruct for Object<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        if self.number {
            return self.digits(value);
        }
        if !self.open {
            return Ok(());
        }
        self.name(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), Self::Error> {
        if self.number {
            return Ok(());
        }
        ser::SerializeMap::end(self)
    }
}

impl<'a> ser::Serializer for &'a mut Canonical {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = ser::Impossible<(), CanonicalError>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = ser::Impossible<(), CanonicalError>;

    fn serialize_bool(self, value: bool) -> Result<(), CanonicalError> {
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), CanonicalError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), CanonicalError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), CanonicalError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), CanonicalError> {
        self.signed(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), CanonicalError> {
        let bound = i128::from(MAX_INTEGER);
        self.serialize_i64(i64::try_from(value.clamp(-bound, bound)).unwrap_or(0))
    }

    fn serialize_u8(self, value: u8) -> Result<(), CanonicalError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), CanonicalError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), CanonicalError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), CanonicalError> {
        self.unsigned(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), CanonicalError> {
        self.unsigned(u64::try_from(value).unwrap_or(u64::MAX));
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), CanonicalError> {
        self.float(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), CanonicalError> {
        self.float(value)
    }

    fn serialize_char(self, value: char) -> Result<(), CanonicalError> {
        self.string(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), CanonicalError> {
        self.string(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), CanonicalError> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), CanonicalError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CanonicalError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), CanonicalError> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CanonicalError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), CanonicalError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), CanonicalError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), CanonicalError> {
        let mut object = self.serialize_map(Some(1))?;
        ser::SerializeMap::serialize_entry(&mut object, variant, value)?;
        ser::SerializeMap::end(object)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, CanonicalError> {
        let open = self.open(b'[');
        Ok(List {
            writer: self,
            open,
            any: false,
        })
    }

    fn serialize_tuple(self, length: usize) -> Result<List<'a>, CanonicalError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<List<'a>, CanonicalError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, CanonicalError> {
        Err(no_form(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, CanonicalError> {
        let (start, first) = (self.out.len(), self.members.len());
        let open = self.open(b'{');
        Ok(Object {
            writer: self,
            start,
            first,
            open,
            pending: None,
            number: false,
        })
    }

    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Object<'a>, CanonicalError> {
        if name == ARBITRARY {
            let (start, first) = (self.out.len(), self.members.len());
            return Ok(Object {
                writer: self,
                start,
                first,
                open: false,
                pending: None,
                number: true,
            });
        }
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, CanonicalError> {
        Err(no_form(variant))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), CanonicalError> {
        let mut text = String::new();
        write!(text, "{value}").map_err(|_| CanonicalError("text that fails".to_owned()))?;
        self.serialize_str(&text)
    }
}

/// Variants with several unnamed values: no type of a record has them.
fn no_form(variant: &str) -> CanonicalError {
    CanonicalError(format!("the variant {variant} has no form in a record"))
}

impl fmt::Display for CanonicalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CanonicalError {}

impl ser::Error for CanonicalError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[cfg(test)]
mod tests;
