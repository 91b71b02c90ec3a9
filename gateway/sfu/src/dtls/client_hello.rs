//! A look into a ClientHello before the association sees it: does the client offer the SRTP profile we
//! want? The association would take the first one of the *client's* list, and browsers list the slow one first.

/// `use_srtp` (RFC 5764 §4.1.1).
const EXTENSION_USE_SRTP: u16 = 14;

/// `SRTP_AEAD_AES_128_GCM` (RFC 7714 §14.2).
const AEAD_AES_128_GCM: u16 = 0x0007;

const CONTENT_TYPE_HANDSHAKE: u8 = 22;
const HANDSHAKE_TYPE_CLIENT_HELLO: u8 = 1;

/// Reads big-endian fields off the front of a slice.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }
}

/// Whether the datagram begins with a ClientHello that offers AEAD_AES_128_GCM; `None` where it begins
/// with something else, or with a fragment that ends before `use_srtp`.
pub(super) fn offers_aead_aes_128_gcm(datagram: &[u8]) -> Option<bool> {
    let mut record = Fields(datagram);
    if record.u8()? != CONTENT_TYPE_HANDSHAKE {
        return None;
    }
    let (_version_epoch_sequence, body) = (record.take(10)?, record.vector16()?);

    let mut handshake = Fields(body);
    if handshake.u8()? != HANDSHAKE_TYPE_CLIENT_HELLO {
        return None;
    }
    let _length_sequence_fragment = handshake.take(11)?;

    let mut hello = handshake;
    let _version_random = hello.take(34)?;
    let (_session, _cookie) = (hello.vector8()?, hello.vector8()?);
    let (_cipher_suites, _compression) = (hello.vector16()?, hello.vector8()?);

    // A fragmented hello announces more extensions than it holds; what is there may still be enough.
    let _extensions_length = hello.u16()?;
    loop {
        let (kind, contents) = (hello.u16()?, hello.vector16()?);
        if kind == EXTENSION_USE_SRTP {
            let profiles = Fields(contents).vector16()?;
            return Some(
                profiles.chunks_exact(2).any(|id| u16::from_be_bytes([id[0], id[1]]) == AEAD_AES_128_GCM),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello with the given SRTP profiles behind another extension.
    fn client_hello(profiles: &[u16]) -> Vec<u8> {
        let mut use_srtp = ((profiles.len() * 2) as u16).to_be_bytes().to_vec();
        use_srtp.extend(profiles.iter().flat_map(|id| id.to_be_bytes()));
        use_srtp.push(0);
        let mut extensions = vec![0, 23, 0, 0];
        extensions.extend([0, 14]);
        extensions.extend((use_srtp.len() as u16).to_be_bytes());
        extensions.extend(use_srtp);

        let mut hello = vec![0xfe, 0xfd];
        hello.extend([7; 32]);
        hello.extend([0, 0]);
        hello.extend([0, 2, 0xc0, 0x2b, 1, 0]);
        hello.extend((extensions.len() as u16).to_be_bytes());
        hello.extend(extensions);

        let mut handshake = vec![1];
        handshake.extend([0; 11]);
        handshake.extend(hello);

        let mut record = vec![22, 0xfe, 0xff];
        record.extend([0; 8]);
        record.extend((handshake.len() as u16).to_be_bytes());
        record.extend(handshake);
        record
    }

    #[test]
    fn the_profile_is_found_wherever_it_stands_in_the_list() {
        assert_eq!(offers_aead_aes_128_gcm(&client_hello(&[1, 7])), Some(true));
        assert_eq!(offers_aead_aes_128_gcm(&client_hello(&[7])), Some(true));
        assert_eq!(offers_aead_aes_128_gcm(&client_hello(&[1, 2])), Some(false));
    }

    #[test]
    fn what_is_no_whole_hello_says_nothing() {
        let hello = client_hello(&[1, 7]);
        for length in 0..hello.len() - 1 {
            let mut cut = hello.clone();
            cut.truncate(length);
            assert_eq!(offers_aead_aes_128_gcm(&cut), None, "cut to {length}");
        }
        assert_eq!(offers_aead_aes_128_gcm(&[23, 1, 2, 3]), None);
    }
}
