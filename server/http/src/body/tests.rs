use super::*;
use flate2::write::DeflateEncoder;

fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn read_encoded(encoding: &str, body: impl Into<Body>, limit: usize) -> Result<Bytes, HttpError> {
    run(read(&headers(header::CONTENT_ENCODING, encoding), body.into(), limit))
}

/// A body in these pieces, of unknown length.
fn pieces(pieces: &[&'static str]) -> Body {
    struct Pieces(VecDeque<Bytes>);
    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }
    Body::new(Pieces(pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect()))
}

#[test]
fn a_body_that_stops_coming_is_given_up() {
    struct Stalled(Option<Bytes>);
    impl http_body::Body for Stalled {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
        }
    }
    let body = Body::new(Stalled(Some("a piece".into())));
    let stalled = run(receive(body, 100, Duration::from_millis(1)));
    assert_eq!(stalled, Err(HttpError::BodyStalled { seconds: 0 }));
}

#[test]
fn bodies_are_read_up_to_the_limit() {
    let read = |body: Body, limit| run(read(&HeaderMap::new(), body, limit));
    assert_eq!(read(Body::empty(), 0), Ok(Bytes::new()));
    assert_eq!(read(pieces(&["abc"]), 3), Ok("abc".into()));
    assert_eq!(read(pieces(&["a", "", "bc", "d"]), 4), Ok("abcd".into()));
    let more = |limit| Err(HttpError::BodyTooLarge { size: BodySize::MoreThan(limit), limit });
    assert_eq!(read(pieces(&["abcd"]), 3), more(3));
    assert_eq!(read(pieces(&["ab", "cd"]), 3), more(3));
    assert_eq!(
        read(Body::from("abcd"), 3),
        Err(HttpError::BodyTooLarge { size: BodySize::Exactly(4), limit: 3 })
    );
}

#[test]
fn compressed_bodies_are_inflated_within_the_limit() {
    let plain = Bytes::from("0123456789".repeat(1000));
    let gzip = compress([&plain], Encoding::Gzip);
    let deflate = compress([&plain], Encoding::Deflate);
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
    raw.write_all(&plain).unwrap();
    let raw = Bytes::from(raw.finish().unwrap());
    for (encoding, body) in [("gzip", &gzip), ("deflate", &deflate), ("deflate", &raw)] {
        assert_eq!(
            read_encoded(encoding, body.clone(), plain.len()).as_ref(),
            Ok(&plain),
            "{encoding}"
        );
        assert_eq!(
            read_encoded(encoding, body.clone(), plain.len() - 1),
            Err(HttpError::BodyTooLarge {
                size: BodySize::MoreThan(plain.len() - 1),
                limit: plain.len() - 1
            })
        );
        let truncated = body.slice(..body.len() - 5);
        let error = read_encoded(encoding, truncated, plain.len()).unwrap_err().to_string();
        assert!(error.contains(&format!("request body is not valid {encoding}")), "{error}");
        assert!(read_encoded(encoding, "garbage", 1 << 20).is_err());
        assert!(read_encoded(encoding, Bytes::new(), 1 << 20).is_err());
        let trailing = Bytes::from([body, &b"xyz"[..]].concat());
        assert!(read_encoded(encoding, trailing, 1 << 20).is_err());
    }
    // A thousandfold: found out on the way, not at the end.
    let bomb = compress([&Bytes::from(vec![0; 50 << 20])], Encoding::Gzip);
    assert!(matches!(read_encoded("gzip", bomb, 1 << 20), Err(HttpError::BodyTooLarge { .. })));
    assert_eq!(read_encoded("identity", "abc", 3), Ok("abc".into()));
    assert_eq!(read_encoded("br", "abc", 3), Err(HttpError::ContentEncoding("br".to_owned())));
}

#[test]
fn the_best_accepted_encoding_is_the_first_of_the_highest_weight() {
    let check = |accept: &str, expect| {
        assert_eq!(
            Encoding::accepted(&headers(header::ACCEPT_ENCODING, accept)),
            expect,
            "{accept}"
        );
    };
    check("gzip", Some(Encoding::Gzip));
    check("deflate", Some(Encoding::Deflate));
    check("gzip, deflate, br", Some(Encoding::Gzip));
    check("gzip;q=0.5, deflate;q=0.8", Some(Encoding::Deflate));
    check("gzip; q=0.5, identity", None);
    check("gzip;q=0", None);
    check("gzip;q=x", None);
    check("gzip;level=1", None);
    check("identity", None);
    check("br, *", None);
    check("", None);
    assert_eq!(Encoding::accepted(&HeaderMap::new()), None);
}

#[test]
fn frames_know_their_length() {
    let body = frames("ab".into(), vec!["cde".into()]);
    assert_eq!(body.size_hint().exact(), Some(5));
    assert_eq!(run(receive(body, 5, STALLED_AFTER)), Ok("abcde".into()));
    assert_eq!(frames("ab".into(), Vec::new()).size_hint().exact(), Some(2));
}
