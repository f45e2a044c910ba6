//! `GET /api/openapi.json`: the description of the API in OpenAPI 3.1, generated from the handlers and the types of their bodies.

use super::feed::CallChange;
use super::page::MAX_PAGE;
use super::problem::{Problem, ProblemJson};
use super::{
    actions, application, calls, event_socket, events, json_response, media, records, reload, sessions, statistics,
    trace,
};
use axum::response::Response;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Description, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(title = "Offhook relay", description = "Controls the calls of the relay. See docs/rest-api.md."),
    paths(
        calls::list,
        calls::get,
        calls::place,
        actions::answer,
        actions::hang_up,
        actions::hold,
        actions::resume,
        actions::transfer,
        actions::dtmf,
        application::bridge,
        media::play,
        media::stop,
        media::mute,
        media::unmute,
        media::record,
        media::collect,
        records::list,
        trace::trace,
        trace::trace_text,
        events::events,
        event_socket::event_socket,
        sessions::sessions,
        sessions::accounts,
        sessions::registrations,
        statistics::statistics,
        reload::reload,
    ),
    components(schemas(ProblemJson)),
    modifiers(&CommonParts)
)]
struct RestApi;

/// The parts that all operations have in common: authentication and errors.
struct CommonParts;

impl Modify for CommonParts {
    fn modify(&self, description: &mut Description) {
        let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", bearer);
        description.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
        for (path, item) in &mut description.paths.paths {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                operation.responses.responses.insert("default".to_owned(), error());
                for parameter in operation.parameters.iter_mut().flatten() {
                    refine(path, parameter);
                }
            }
        }
    }
}

/// Describes the values of a parameter more precisely than its Rust type.
fn refine(path: &str, parameter: &mut Parameter) {
    let identifier = || text().pattern(Some("^[0-9]{1,19}$"));
    let schema = match parameter.name.as_str() {
        "limit" => ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(MAX_PAGE)),
        "callId" | "sessionId" => identifier(),
        "after" if path.starts_with("/api/v1/events") => text(),
        "after" => identifier(),
        "from" | "until" => text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
        "type" => {
            let names = CallChange::NAMES.join("|");
            text().pattern(Some(format!("^({names})(,({names}))*$")))
        }
        _ => return,
    };
    parameter.schema = Some(schema.into());
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// The response with a problem detail.
fn error() -> RefOr<utoipa::openapi::Response> {
    let content = Content::new(Some(Ref::from_schema_name("ProblemJson")));
    let response = ResponseBuilder::new().description("An error").content("application/problem+json", content);
    RefOr::T(response.build())
}

pub(super) async fn description() -> Result<Response, Problem> {
    json_response(&RestApi::openapi())
}

#[cfg(test)]
mod tests {
    use super::{OpenApi as _, RestApi};
    use serde_json::Value;

    fn description() -> Value {
        serde_json::to_value(RestApi::openapi()).unwrap()
    }

    #[test]
    fn every_reference_has_its_schema() {
        let description = description();
        let text = description.to_string();
        let names: Vec<&str> =
            text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            assert!(description.pointer(&format!("/components/schemas/{name}")).is_some(), "{name}");
        }
    }

    #[test]
    fn every_operation_has_a_response_an_error_and_an_identifier() {
        let description = description();
        assert_eq!(description["openapi"], "3.1.0");
        let mut identifiers = Vec::new();
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.contains_key("default") && responses.len() > 1, "{method} {path}");
                identifiers.push(operation["operationId"].clone());
            }
        }
        let all = identifiers.len();
        identifiers.sort_by_key(Value::to_string);
        identifiers.dedup();
        assert_eq!((all, identifiers.len()), (26, 26));
    }
}
