//! AWS Certificate Manager: certificates that load balancers show.
//!
//! They are imported, or made at once by the region's own authority, which everybody can be told to
//! trust. Source: AWS Certificate Manager API Reference, version 2015-12-08.

mod certificates;
mod describe;
mod error;
mod find;
mod reading;
mod request;
mod tags;

pub use error::Error;

use shapes::acm as op;

use crate::Registry;

/// The operations of Certificate Manager that we answer.
pub fn registry() -> Registry {
    Registry::default()
        .write::<op::AddTagsToCertificate, Error>(tags::add_tags_to_certificate)
        .write::<op::DeleteCertificate, Error>(certificates::delete_certificate)
        .read::<op::DescribeCertificate, Error>(describe::describe_certificate)
        .read::<op::GetCertificate, Error>(certificates::get_certificate)
        .write::<op::ImportCertificate, Error>(certificates::import_certificate)
        .read::<op::ListCertificates, Error>(describe::list_certificates)
        .read::<op::ListTagsForCertificate, Error>(tags::list_tags_for_certificate)
        .write::<op::RemoveTagsFromCertificate, Error>(tags::remove_tags_from_certificate)
        .write::<op::RequestCertificate, Error>(request::request_certificate)
}

#[cfg(test)]
mod tests;
