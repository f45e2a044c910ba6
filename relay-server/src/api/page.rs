//! Pagination of the lists in the REST API.

use super::body::Parameters;
use super::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

/// Number of items in one response, by default and at most.
const PAGE: u64 = 100;
pub(super) const MAX_PAGE: u64 = 500;

/// The part of a list that is requested. Items are in the order of their identifiers.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageRequest {
    limit: usize,
    after: Option<u64>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PageJson<T> {
    pub(super) items: Vec<T>,
    /// The number of items on all pages.
    pub(super) total: usize,
    /// The value of `after` for the next page.
    pub(super) next: Option<String>,
}

impl PageRequest {
    pub(super) fn parse(parameters: &mut Parameters) -> Result<Self, Problem> {
        let limit = parameters.number("limit", 1, MAX_PAGE)?.unwrap_or(PAGE);
        let after = parameters.number("after", 0, u64::MAX)?;
        Ok(Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), after })
    }

    /// The number of items, and the identifier of the last item of the previous page.
    pub(super) const fn parts(self) -> (usize, Option<u64>) {
        (self.limit, self.after)
    }

    /// Selects the requested page of a list, and converts its items with `translate`.
    pub(super) fn select<I, T>(
        self,
        items: impl IntoIterator<Item = I>,
        id: impl Fn(&I) -> u64,
        translate: impl Fn(I) -> T,
    ) -> PageJson<T> {
        let (mut page, mut total, mut last, mut next) = (Vec::new(), 0, None, None);
        for item in items {
            total += 1;
            let id = id(&item);
            if self.after.is_some_and(|after| id <= after) {
                continue;
            }
            if page.len() < self.limit {
                last = Some(id);
                page.push(translate(item));
            } else {
                next = last;
            }
        }
        PageJson { items: page, total, next: next.map(|id| id.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{PageJson, PageRequest};

    #[test]
    fn pages_cover_the_list_once() {
        let select = |limit, after| {
            let PageJson { items, total, next } =
                PageRequest { limit, after }.select([2, 3, 5, 7], |item| *item, |item| item * 10);
            (items, total, next)
        };
        assert_eq!(select(3, None), (vec![20, 30, 50], 4, Some("5".to_owned())));
        assert_eq!(select(3, Some(5)), (vec![70], 4, None));
        assert_eq!(select(4, None), (vec![20, 30, 50, 70], 4, None));
        assert_eq!(select(1, Some(4)), (vec![50], 4, Some("5".to_owned())));
        assert_eq!(select(4, Some(7)), (vec![], 4, None));
    }
}
