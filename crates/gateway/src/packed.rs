//! Bodies that clients send gzipped: SDKs do so with large `PutMetricData` requests.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::GzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use wire::Fault;

/// The body as it was before it was packed. Signatures are those of the packed one.
///
/// # Errors
///
/// The fault that says that it is no gzip, or longer than so many bytes once unpacked.
pub(crate) fn unpacked<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
    most: usize,
) -> Result<Cow<'a, [u8]>, Fault> {
    let encoding = headers.get(CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    if encoding.is_none_or(|it| !it.eq_ignore_ascii_case(b"gzip")) {
        return Ok(Cow::Borrowed(body));
    }
    let mut plain = Vec::new();
    let one_more = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(body).take(one_more).read_to_end(&mut plain).map_err(|_| {
        Fault::new("SerializationException", "The request body is not whole, or no gzip.")
    })?;
    if plain.len() > most {
        let message = format!("The unpacked request body is larger than {most} bytes.");
        return Err(Fault::new("RequestEntityTooLargeException", message).with_status(413));
    }
    Ok(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).expect("packs");
        encoder.finish().expect("packs")
    }

    #[test]
    fn a_packed_body_is_unpacked_up_to_a_limit() {
        let mut headers = HeaderMap::new();
        let body = packed(&[7; 1000]);
        assert_eq!(unpacked(&headers, &body, 10).expect("as it is"), body.as_slice());
        headers.insert(CONTENT_ENCODING, "gzip".parse().expect("a value"));
        assert_eq!(unpacked(&headers, &body, 1000).expect("unpacks"), vec![7; 1000]);
        assert_eq!(unpacked(&headers, &body, 999).expect_err("refused").status, 413);
        let torn = body.split_last().expect("not empty").1;
        let refused = unpacked(&headers, torn, 1000).expect_err("refused");
        assert_eq!(refused.code, "SerializationException");
    }
}
