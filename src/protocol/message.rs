//! The declarative table: from one description of a structure come its type, its codec and its schema.
//!
//! ```ignore
//! message! {
//!     /// Asks for something. Version 2 adds the note, 3 is flexible.
//!     pub struct ExampleRequest: key 99, versions 0..=4, flexible 3 {
//!         /// Documentation of a field is optional.
//!         name: Text,
//!         timeout_ms: i32 { default 60_000 },
//!         old_id: i32 { until 1, default -1 },
//!         note: Option<Text> { since 2, nullable 3, ignorable true },
//!         parts: Vec<ExamplePart>,
//!         cluster_id: Option<Text> { since 3, tag 0, ignorable true },
//!         best: Option<ExamplePart> { since 4, tag 2, default Some(ExamplePart::default()) },
//!     }
//!
//!     /// A part, in all versions of the messages above.
//!     pub struct ExamplePart {
//!         index: i32,
//!         records: Option<Records>,
//!     }
//! }
//! ```
//!
//! - A structure with `key` is a [`Message`]: it has an API key (of an API, or the type of a metadata or coordinator
//!   record), versions, and `flexible N` if versions from N on use compact lengths and tagged fields. A structure without
//!   one is part of messages and shares their version.
//! - The words of a field, all optional, in this order: `since N` and `until N` (first and last version that have it),
//!   `nullable N` (first version that may say null; without it an `Option` may be null in all), `tag N` (a tagged field;
//!   list them in ascending order; left out where it is the default, so that a null which is not
//!   the default is said in so many bytes), `ignorable true` (may be dropped silently when writing a version that does not have it;
//!   without it that is an error unless the value is the default), `default EXPR` (otherwise the type's `Default`).
//! - Types of fields: everything that is [`super::wire::Wire`], that is numbers, `bool`, `Uuid`, `Text`, `Bytes`, `Records`,
//!   structures of a table, `Vec` of them, and `Option` of all but numbers, `bool` and `Uuid`.
//! - What comes out: the struct with public fields, `Clone`, `Debug`, `PartialEq`, `Default`, [`super::wire::Wire`], the
//!   associated constant `SCHEMA`, and [`Message`] where there is a key.
//!
//! One difference from Kafka's definitions: an `Option` is `None` unless the table says otherwise, also where Kafka's
//! default would be the empty string. It shows only in fields that the version of a message does not have.

use std::ops::RangeInclusive;

use super::{
    schema::Schema,
    wire::{Context, Reader, Wire, WireError, Writer},
};

/// A structure with versions of its own: a request, a response, a record of the metadata log or of a coordinator.
pub trait Message: Wire {
    /// API key, or the type of a record.
    const API_KEY: i16;
    /// Versions that the table describes.
    const VERSIONS: RangeInclusive<i16>;
    /// First flexible version; `i16::MAX` if there is none.
    const FLEXIBLE_FROM: i16;
    /// The table as data.
    const SCHEMA: &'static Schema;

    /// What encoding depends on in `version`.
    ///
    /// # Errors
    /// [`WireError::UnsupportedVersion`].
    #[inline]
    fn context(version: i16) -> Result<Context, WireError> {
        if Self::VERSIONS.contains(&version) {
            Ok(Context { version, flexible: version >= Self::FLEXIBLE_FROM })
        } else {
            Err(WireError::UnsupportedVersion(version))
        }
    }

    /// Reads the message in `version`. What follows it is left in the reader.
    ///
    /// # Errors
    /// The version does not exist, or the bytes do not say such a message.
    #[inline]
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, WireError> {
        Self::read(reader, Self::context(version)?)
    }

    /// Appends the message in `version`.
    ///
    /// # Errors
    /// The version does not exist or cannot express the message. What was written until then stays in the writer.
    #[inline]
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), WireError> {
        self.write(writer, Self::context(version)?)
    }
}

/// Defines structures by tables. See the top of this file.
macro_rules! message {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident
        $(: key $key:literal, versions $lowest:literal ..= $highest:literal $(, flexible $flexible:literal)?)?
        {
            $(
                $(#[$field_meta:meta])*
                $field:ident : $type:ty $({
                    $(since $since:literal $(,)?)?
                    $(until $until:literal $(,)?)?
                    $(nullable $nullable:literal $(,)?)?
                    $(tag $tag:literal $(,)?)?
                    $(ignorable $ignorable:literal $(,)?)?
                    $(default $default:expr)?
                })?
            ),* $(,)?
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl $name {
            /// The table as data.
            pub const SCHEMA: &'static $crate::protocol::schema::Schema = &$crate::protocol::schema::Schema {
                name: stringify!($name),
                fields: &[$(
                    $crate::protocol::schema::Field {
                        name: stringify!($field),
                        kind: <$type as $crate::protocol::wire::Wire>::KIND,
                        since: $crate::protocol::message!(@or 0 $($(, $since)?)?),
                        until: $crate::protocol::message!(@or i16::MAX $($(, $until)?)?),
                        nullable_since: $crate::protocol::message!(@or 0 $($(, $nullable)?)?),
                        tag: $crate::protocol::message!(@or None $($(, Some($tag))?)?),
                        ignorable: $crate::protocol::message!(@or false $($(, $ignorable)?)?),
                    },
                )*],
            };
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $crate::protocol::message!(@or Default::default() $($(, $default)?)?), )* }
            }
        }

        impl $crate::protocol::wire::Wire for $name {
            const MIN_BYTES: usize = Self::SCHEMA.min_bytes();
            const KIND: $crate::protocol::schema::Kind = $crate::protocol::schema::Kind::Struct(Self::SCHEMA);

            #[inline]
            fn read(
                reader: &mut $crate::protocol::wire::Reader,
                context: $crate::protocol::wire::Context,
            ) -> Result<Self, $crate::protocol::wire::WireError> {
                $(
                    $crate::protocol::message!(@read reader context $name $field $type
                        [$($($since)?)?] [$($($until)?)?] [$($($nullable)?)?] [$($($tag)?)?] [$($($default)?)?]);
                )*
                if context.flexible {
                    reader.tagged_fields(|_tag, _content| {
                        $(
                            $crate::protocol::message!(@read_tagged _tag _content context $field
                                [$($($since)?)?] [$($($until)?)?] [$($($nullable)?)?] [$($($tag)?)?]);
                        )*
                        Ok(false)
                    })?;
                }
                Ok(Self { $($field),* })
            }

            #[inline]
            fn write(
                &self,
                writer: &mut $crate::protocol::wire::Writer,
                context: $crate::protocol::wire::Context,
            ) -> Result<(), $crate::protocol::wire::WireError> {
                let mut _tagged: u32 = 0;
                $(
                    $crate::protocol::message!(@write self writer context _tagged $field $type
                        [$($($since)?)?] [$($($until)?)?] [$($($nullable)?)?] [$($($tag)?)?] [$($($ignorable)?)?]
                        [$($($default)?)?]);
                )*
                if context.flexible {
                    writer.unsigned_varint(_tagged);
                    $(
                        $crate::protocol::message!(@write_tagged self writer context $field $type
                            [$($($since)?)?] [$($($until)?)?] [$($($tag)?)?] [$($($default)?)?]);
                    )*
                }
                Ok(())
            }
        }

        impl $crate::protocol::wire::Wire for Option<$name> {
            const MIN_BYTES: usize = 1;
            const KIND: $crate::protocol::schema::Kind =
                $crate::protocol::schema::Kind::Nullable(&$crate::protocol::schema::Kind::Struct($name::SCHEMA));

            fn read(
                reader: &mut $crate::protocol::wire::Reader,
                context: $crate::protocol::wire::Context,
            ) -> Result<Self, $crate::protocol::wire::WireError> {
                reader.struct_marker()?.then(|| $crate::protocol::wire::Wire::read(reader, context)).transpose()
            }

            fn write(
                &self,
                writer: &mut $crate::protocol::wire::Writer,
                context: $crate::protocol::wire::Context,
            ) -> Result<(), $crate::protocol::wire::WireError> {
                writer.struct_marker(self.is_some());
                self.as_ref().map_or(Ok(()), |structure| structure.write(writer, context))
            }

            fn read_tagged(
                reader: &mut $crate::protocol::wire::Reader,
                context: $crate::protocol::wire::Context,
            ) -> Result<Self, $crate::protocol::wire::WireError> {
                reader.tagged_struct_marker()?.then(|| $crate::protocol::wire::Wire::read(reader, context)).transpose()
            }

            fn write_tagged(
                &self,
                writer: &mut $crate::protocol::wire::Writer,
                context: $crate::protocol::wire::Context,
            ) -> Result<(), $crate::protocol::wire::WireError> {
                writer.tagged_struct_marker(self.is_some());
                self.as_ref().map_or(Ok(()), |structure| structure.write(writer, context))
            }

            fn is_null(&self) -> bool {
                self.is_none()
            }
        }

        $(
            impl $crate::protocol::Message for $name {
                const API_KEY: i16 = $key;
                const VERSIONS: std::ops::RangeInclusive<i16> = $lowest..=$highest;
                const FLEXIBLE_FROM: i16 = $crate::protocol::message!(@or i16::MAX $(, $flexible)?);
                const SCHEMA: &'static $crate::protocol::schema::Schema = $name::SCHEMA;
            }
        )?
    )*};

    // The first word that is there, or what stands in for it.
    (@or $absent:expr) => { $absent };
    (@or $absent:expr, $present:expr) => { $present };

    (@default $type:ty []) => { <$type as Default>::default() };
    (@default $type:ty [$default:expr]) => { $default };

    // Whether the version has the field.
    (@in $context:ident [] []) => { true };
    (@in $context:ident [$since:literal] []) => { $context.version >= $since };
    (@in $context:ident [] [$until:literal]) => { $context.version <= $until };
    (@in $context:ident [$since:literal] [$until:literal]) => { $context.has($since, $until) };

    (@null_check $context:ident $value:expr, $field:ident []) => {};
    (@null_check $context:ident $value:expr, $field:ident [$nullable:literal]) => {
        if $context.version < $nullable && $crate::protocol::wire::Wire::is_null(&$value) {
            return Err($crate::protocol::wire::WireError::NullNotAllowed(stringify!($field)));
        }
    };

    // Binds an untagged field to what stands there, or to its default; a tagged one to its default, for later.
    (@read $reader:ident $context:ident $name:ident $field:ident $type:ty
        [] [] [$($nullable:literal)?] [] [$($default:expr)?]) => {
        let $field = <$type as $crate::protocol::wire::Wire>::read($reader, $context)?;
        $crate::protocol::message!(@null_check $context $field, $field [$($nullable)?]);
    };
    (@read $reader:ident $context:ident $name:ident $field:ident $type:ty
        [$($since:literal)?] [$($until:literal)?] [$($nullable:literal)?] [] [$($default:expr)?]) => {
        let $field = if $crate::protocol::message!(@in $context [$($since)?] [$($until)?]) {
            let value = <$type as $crate::protocol::wire::Wire>::read($reader, $context)?;
            $crate::protocol::message!(@null_check $context value, $field [$($nullable)?]);
            value
        } else {
            $crate::protocol::message!(@default $type [$($default)?])
        };
    };
    (@read $reader:ident $context:ident $name:ident $field:ident $type:ty
        [$($since:literal)?] [$($until:literal)?] [$($nullable:literal)?] [$tag:literal] [$($default:expr)?]) => {
        let mut $field: $type = $crate::protocol::message!(@default $type [$($default)?]);
    };

    (@read_tagged $number:ident $content:ident $context:ident $field:ident
        [$($since:literal)?] [$($until:literal)?] [$($nullable:literal)?] []) => {};
    (@read_tagged $number:ident $content:ident $context:ident $field:ident
        [$($since:literal)?] [$($until:literal)?] [$($nullable:literal)?] [$tag:literal]) => {
        if $number == $tag && $crate::protocol::message!(@in $context [$($since)?] [$($until)?]) {
            $field = $crate::protocol::wire::Wire::read_tagged($content, $context)?;
            $crate::protocol::message!(@null_check $context $field, $field [$($nullable)?]);
            return Ok(true);
        }
    };

    // Writes an untagged field that the version has, counts a tagged one that is not the default, and refuses to lose what
    // the version does not have.
    (@write $self:ident $writer:ident $context:ident $tagged:ident $field:ident $type:ty
        [$($since:literal)?] [$($until:literal)?] [$($nullable:literal)?] [$($tag:literal)?] [$($ignorable:literal)?]
        [$($default:expr)?]) => {
        if $crate::protocol::message!(@in $context [$($since)?] [$($until)?]) {
            $crate::protocol::message!(@null_check $context $self.$field, $field [$($nullable)?]);
            $crate::protocol::message!(@put $self $writer $context $tagged $field $type [$($tag)?] [$($default)?]);
        } else {
            $crate::protocol::message!(@drop $self $field $type [$($ignorable)?] [$($default)?]);
        }
    };

    (@put $self:ident $writer:ident $context:ident $tagged:ident $field:ident $type:ty [] [$($default:expr)?]) => {
        $crate::protocol::wire::Wire::write(&$self.$field, $writer, $context)?;
    };
    (@put $self:ident $writer:ident $context:ident $tagged:ident $field:ident $type:ty [$tag:literal] [$($default:expr)?]) => {
        $tagged += u32::from($self.$field != $crate::protocol::message!(@default $type [$($default)?]));
    };

    (@write_tagged $self:ident $writer:ident $context:ident $field:ident $type:ty
        [$($since:literal)?] [$($until:literal)?] [] [$($default:expr)?]) => {};
    (@write_tagged $self:ident $writer:ident $context:ident $field:ident $type:ty
        [$($since:literal)?] [$($until:literal)?] [$tag:literal] [$($default:expr)?]) => {
        if $crate::protocol::message!(@in $context [$($since)?] [$($until)?])
            && $self.$field != $crate::protocol::message!(@default $type [$($default)?])
        {
            $writer.tagged_field($tag, |content| $crate::protocol::wire::Wire::write_tagged(&$self.$field, content, $context))?;
        }
    };

    (@drop $self:ident $field:ident $type:ty [$ignorable:literal] [$($default:expr)?]) => {};
    (@drop $self:ident $field:ident $type:ty [] [$($default:expr)?]) => {
        if $self.$field != $crate::protocol::message!(@default $type [$($default)?]) {
            return Err($crate::protocol::wire::WireError::FieldNotInVersion(stringify!($field)));
        }
    };
}
pub(crate) use message;

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use proptest::{collection::vec, prelude::*};

    use super::Message;
    use crate::{
        protocol::{
            messages::fetch::{FetchResponse, FetchableTopicResponse, PartitionData},
            sample::{Choices, Tags, sample},
            wire::{Cut, Reader, Records, WireError, Writer},
        },
        types::Text,
    };

    message! {
        /// The example of the module's documentation.
        pub struct ExampleRequest: key 99, versions 0..=4, flexible 3 {
            name: Text,
            timeout_ms: i32 { default 60_000 },
            old_id: i32 { until 1, default -1 },
            note: Option<Text> { since 2, nullable 3, ignorable true },
            parts: Vec<ExamplePart> { since 1 },
            only: Option<ExamplePart> { since 4 },
            cluster_id: Option<Text> { since 3, tag 0, ignorable true },
            epoch: i32 { since 4, tag 1, default -1 },
            best: Option<ExamplePart> { since 4, tag 2, default Some(ExamplePart::default()) },
            worst: Option<ExamplePart> { since 4, tag 3 },
        }

        pub struct ExamplePart {
            index: i32,
            records: Option<Records>,
        }
    }

    fn encode(message: &impl Message, version: i16) -> Result<(Bytes, Vec<Cut>), WireError> {
        let mut writer = Writer::new(BytesMut::new());
        message.encode(&mut writer, version)?;
        let (buffer, cuts) = writer.finish();
        Ok((buffer.freeze(), cuts))
    }

    fn decode(bytes: &[u8], version: i16) -> Result<ExampleRequest, WireError> {
        let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
        let message = ExampleRequest::decode(&mut reader, version)?;
        reader.expect_end().map(|()| message)
    }

    #[test]
    fn every_version_has_its_own_form() {
        let part = ExamplePart { index: 5, records: Some(Records::Bytes(Bytes::from_static(b"rr"))) };
        let request = ExampleRequest {
            name: Text::from_static("n"),
            timeout_ms: 1,
            note: Some(Text::from_static("x")),
            parts: vec![part.clone()],
            ..ExampleRequest::default()
        };
        let v2 = b"\0\x01n\0\0\0\x01\0\x01x\0\0\0\x01\0\0\0\x05\0\0\0\x02rr";
        assert_eq!(encode(&request, 2).unwrap().0[..], v2[..]);
        assert_eq!(decode(v2, 2), Ok(request.clone()));
        let v3 = b"\x02n\0\0\0\x01\x02x\x02\0\0\0\x05\x03rr\0\0";
        assert_eq!(encode(&request, 3).unwrap().0[..], v3[..]);
        assert_eq!(decode(v3, 3), Ok(request.clone()));
        let newest = ExampleRequest { only: Some(part), cluster_id: Some(Text::from_static("c")), epoch: 7, ..request };
        let v4 = b"\x02n\0\0\0\x01\x02x\x02\0\0\0\x05\x03rr\0\x01\0\0\0\x05\x03rr\0\x02\0\x02\x02c\x01\x04\0\0\0\x07";
        assert_eq!(encode(&newest, 4).unwrap().0[..], v4[..]);
        assert_eq!(decode(v4, 4), Ok(newest));
    }

    #[test]
    fn what_a_version_cannot_carry_is_dropped_only_if_the_table_says_so() {
        let request = ExampleRequest { note: Some(Text::from_static("x")), ..ExampleRequest::default() };
        let decoded = decode(b"\0\0\0\0\xea\x60\xff\xff\xff\xff", 0).unwrap();
        assert_eq!(encode(&request, 0).unwrap().0[..], b"\0\0\0\0\xea\x60\xff\xff\xff\xff"[..]);
        assert_eq!(decoded, ExampleRequest::default());
        let request = ExampleRequest { parts: vec![ExamplePart::default()], ..ExampleRequest::default() };
        assert_eq!(encode(&request, 0), Err(WireError::FieldNotInVersion("parts")));
        let request = ExampleRequest { old_id: 0, ..ExampleRequest::default() };
        assert_eq!(encode(&request, 2), Err(WireError::FieldNotInVersion("old_id")));
        let request = ExampleRequest { epoch: 1, ..ExampleRequest::default() };
        assert_eq!(encode(&request, 3), Err(WireError::FieldNotInVersion("epoch")));
        assert_eq!(encode(&request, 5), Err(WireError::UnsupportedVersion(5)));
    }

    #[test]
    fn null_is_refused_where_the_version_has_none() {
        let request = ExampleRequest::default();
        assert_eq!(encode(&request, 2), Err(WireError::NullNotAllowed("note")));
        assert_eq!(decode(b"\0\0\0\0\0\x01\xff\xff\0\0\0\0", 2), Err(WireError::NullNotAllowed("note")));
        assert_eq!(decode(b"\x01\0\0\0\x01\0\x01\0", 3).map(|request| request.note), Ok(None));
        assert!(matches!(decode(b"\xff\xff\0\0\0\0", 0), Err(WireError::NullNotAllowed(_))));
        assert_eq!(decode(b"\x01\0\0\0\x01\0\x01\x05\0", 4), Err(WireError::InvalidMarker(5)));
    }

    #[test]
    fn a_tagged_field_with_its_default_is_left_out_and_understood() {
        let request = ExampleRequest { epoch: -1, ..ExampleRequest::default() };
        assert_eq!(encode(&request, 4).unwrap().0.last(), Some(&0));
        let spelled_out = b"\x01\0\0\xea\x60\0\x01\xff\x01\x01\x04\xff\xff\xff\xff";
        assert_eq!(decode(spelled_out, 4), Ok(request));
        // The tag of version 4 is unknown to version 3 and skipped.
        assert_eq!(decode(b"\x01\0\0\xea\x60\0\x01\x01\x01\x04\0\0\0\x07", 3), Ok(ExampleRequest::default()));
    }

    /// What precedes the tagged fields of a default request in version 4.
    const DEFAULT_V4: &[u8] = b"\x01\0\0\xea\x60\0\x01\xff";

    #[test]
    fn a_tagged_structure_has_its_default_where_it_is_absent_and_says_null_with_a_varint() {
        let part = ExamplePart { index: 5, records: None };
        for (best, worst, tagged) in [
            (Some(ExamplePart::default()), None, &b"\0"[..]),
            (None, None, b"\x01\x02\x01\0"),
            (Some(part.clone()), None, b"\x01\x02\x07\x01\0\0\0\x05\0\0"),
            (None, Some(ExamplePart::default()), b"\x02\x02\x01\0\x03\x07\x01\0\0\0\0\0\0"),
            (Some(part.clone()), Some(part), b"\x02\x02\x07\x01\0\0\0\x05\0\0\x03\x07\x01\0\0\0\x05\0\0"),
        ] {
            let request = ExampleRequest { best, worst, ..ExampleRequest::default() };
            let bytes = [DEFAULT_V4, tagged].concat();
            assert_eq!(encode(&request, 4).unwrap().0, bytes);
            assert_eq!(decode(&bytes, 4), Ok(request));
        }
        // A default that is said all the same is understood; it is left out when it is said again.
        let said = [DEFAULT_V4, b"\x02\x02\x07\x01\0\0\0\0\0\0\x03\x01\0"].concat();
        assert_eq!(decode(&said, 4), Ok(ExampleRequest::default()));
    }

    #[test]
    fn a_tagged_structure_must_begin_with_its_marker_and_fill_its_size() {
        let refused = |tagged: &[u8]| decode(&[DEFAULT_V4, tagged].concat(), 4).unwrap_err();
        assert_eq!(refused(b"\x01\x02\x01\x02"), WireError::InvalidMarker(2));
        // The null of a structure that stands among the untagged fields.
        assert_eq!(refused(b"\x01\x02\x01\xff"), WireError::Truncated);
        assert_eq!(refused(b"\x01\x02\x05\xff\xff\xff\xff\x0f"), WireError::InvalidMarker(u32::MAX.into()));
        assert_eq!(refused(b"\x01\x02\x02\0\0"), WireError::TagSize(2));
        assert_eq!(refused(b"\x01\x02\x01\x01"), WireError::Truncated);
    }

    proptest! {
        #[test]
        fn what_a_table_says_is_read_as_written(choices in vec(any::<u8>(), 0..120), version in 0..=4_i16) {
            for tags in [Tags::Without, Tags::With] {
                let context = ExampleRequest::context(version).unwrap();
                let sampled = sample(ExampleRequest::SCHEMA, context, &mut Choices::new(&choices), tags).unwrap();
                let request = decode(&sampled, version).unwrap();
                let (encoded, _) = encode(&request, version).unwrap();
                if tags == Tags::Without {
                    prop_assert_eq!(&encoded, &sampled);
                }
                prop_assert_eq!(decode(&encoded, version).unwrap(), request);
            }
        }
    }

    #[test]
    fn spliced_records_leave_a_cut_where_the_bytes_would_be() {
        let response = |records: [Records; 2]| FetchResponse {
            responses: vec![FetchableTopicResponse {
                partitions: records.map(|r| PartitionData { records: Some(r), ..PartitionData::default() }).into(),
                ..FetchableTopicResponse::default()
            }],
            ..FetchResponse::default()
        };
        let batches = [Bytes::from(vec![1; 300]), Bytes::from(vec![2; 5])];
        for version in FetchResponse::VERSIONS {
            let (whole, none) = encode(&response(batches.clone().map(Records::Bytes)), version).unwrap();
            let (parts, cuts) = encode(&response([Records::Spliced(300), Records::Spliced(5)]), version).unwrap();
            let (mut gathered, mut from) = (Vec::new(), 0);
            for (cut, batch) in cuts.iter().zip(&batches) {
                assert_eq!(cut.bytes, batch.len());
                gathered.extend_from_slice(&parts[from..cut.at]);
                gathered.extend_from_slice(batch);
                from = cut.at;
            }
            gathered.extend_from_slice(&parts[from..]);
            assert_eq!((none.len(), cuts.len(), &gathered[..]), (0, 2, &whole[..]), "version {version}");
        }
    }
}
