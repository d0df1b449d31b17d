//! Temporary.
use super::*;
use std::sync::Arc;
/// X.
#[derive(Debug)]
pub struct CvolCatalog;
impl CvolCatalog {
    /// X.
    pub fn find_on(_: Arc<dyn crate::Volume>) -> Result<Option<CvolCatalog>> {
        Ok(None)
    }
}
impl Catalog for CvolCatalog {
    fn name(&self) -> String {
        todo!()
    }
    fn volser(&self) -> Option<Volser> {
        todo!()
    }
    fn locate(&self, _: &DsName) -> Result<Option<CatalogEntry>> {
        todo!()
    }
    fn list(&self, _: &DsMask) -> Result<Vec<CatalogEntry>> {
        todo!()
    }
    fn add(&self, _: &CatalogEntry, _: &dyn Journal) -> Result<()> {
        todo!()
    }
    fn recatalog(&self, _: &CatalogEntry, _: &CatalogEntry, _: &dyn Journal) -> Result<()> {
        todo!()
    }
    fn rename(&self, _: &DsName, _: &DsName, _: &dyn Journal) -> Result<()> {
        todo!()
    }
    fn delete(&self, _: &DsName, _: &dyn Journal) -> Result<()> {
        todo!()
    }
}
