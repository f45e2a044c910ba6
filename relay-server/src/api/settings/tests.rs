use super::{ApiSettings, ApiToken, CurrentSettings, TokenEntry, TokenHash};
use crate::api::token::Scope;
use core::time::Duration;
use std::fs;

#[test]
fn admin_token_is_not_stored_for_unusable_settings() {
    let directory = std::env::temp_dir().join(format!("offhook-api-settings-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let unusable = ApiSettings { allow_origin: "https://shop.test\n".to_owned(), ..ApiSettings::default() };
    assert!(CurrentSettings::new(&unusable, Some(directory.clone())).is_err());
    let (_, created) = CurrentSettings::new(&ApiSettings::default(), Some(directory.clone())).unwrap();
    assert!(created.is_some(), "the token can be printed");
    fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn removed_token_is_noticed() {
    let entry = || TokenEntry { scope: Scope::Read, hash: TokenHash::of(ApiToken::generate().unwrap().reveal()) };
    let (kept, removed) = (entry(), entry());
    let with = |tokens: &[(&str, &TokenEntry)]| ApiSettings {
        tokens: tokens.iter().map(|(name, entry)| ((*name).to_owned(), (*entry).clone())).collect(),
        ..ApiSettings::default()
    };
    let (settings, _) = CurrentSettings::new(&with(&[("kept", &kept), ("other", &removed)]), None).unwrap();
    let removal = settings.token_removed(&removed.hash);
    // The name is in use for another token.
    settings.replace(settings.prepare(&with(&[("kept", &kept), ("other", &entry())])).unwrap().0);
    removal.await;
    let removal = settings.token_removed(&kept.hash);
    assert!(tokio::time::timeout(Duration::from_millis(1), removal).await.is_err());
}
