//! Which handler answers which path.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::routing::get;
use reeve_model::{Error, ErrorCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::state::ApiState;
use crate::{
    artifact, console, domain, events, filter, handed, interface, metrics, migration, network, node, openapi,
    policy, pool, secret, task, volume,
};

/// Largest document or JSON body.
const BODY_LIMIT: usize = 4 << 20;
/// Largest policy component.
const COMPONENT_LIMIT: usize = 64 << 20;

/// Every documented route: the paths and the OpenAPI document come from the same attributes.
pub(crate) fn documented() -> OpenApiRouter<ApiState> {
    let components = OpenApiRouter::new()
        .routes(routes!(policy::load))
        .routes(routes!(policy::audit))
        .layer(DefaultBodyLimit::max(COMPONENT_LIMIT));
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(domain::list))
        .routes(routes!(domain::define))
        .routes(routes!(domain::info))
        .routes(routes!(domain::undefine))
        .routes(routes!(domain::xml))
        .routes(routes!(domain::edit))
        .routes(routes!(domain::stats))
        .routes(routes!(domain::start))
        .routes(routes!(domain::shutdown))
        .routes(routes!(domain::reboot))
        .routes(routes!(domain::reset))
        .routes(routes!(domain::inject_nmi))
        .routes(routes!(domain::destroy))
        .routes(routes!(domain::save, domain::save_status, domain::cancel_save))
        .routes(routes!(domain::managed_save, domain::remove_managed_save))
        .routes(routes!(domain::restore))
        .routes(routes!(domain::save_image_xml, domain::define_save_image))
        .routes(routes!(domain::snapshots, domain::create_snapshot))
        .routes(routes!(domain::snapshot_xml))
        .routes(routes!(domain::set_current_snapshot))
        .routes(routes!(domain::revert_snapshot))
        .routes(routes!(domain::delete_snapshot))
        .routes(routes!(domain::suspend))
        .routes(routes!(domain::resume))
        .routes(routes!(domain::set_autostart))
        .routes(routes!(domain::set_memory))
        .routes(routes!(domain::tuning))
        .routes(routes!(domain::tune))
        .routes(routes!(domain::vcpus))
        .routes(routes!(domain::cpu_stats))
        .routes(routes!(domain::set_stats_period))
        .routes(routes!(domain::attach_device))
        .routes(routes!(domain::detach_device))
        .routes(routes!(domain::update_device))
        .routes(routes!(domain::disks))
        .routes(routes!(domain::disk_sizes))
        .routes(routes!(domain::resize_disk))
        .routes(routes!(domain::change_media))
        .routes(routes!(domain::disk_limits, domain::set_disk_limits))
        .routes(routes!(domain::clone))
        .routes(routes!(migration::migrate))
        .routes(routes!(migration::job))
        .routes(routes!(migration::abort_job))
        .routes(routes!(migration::limits))
        .routes(routes!(migration::set_limits))
        .routes(routes!(migration::prepare))
        .routes(routes!(migration::report))
        .routes(routes!(migration::stream))
        .routes(routes!(domain::interfaces))
        .routes(routes!(domain::addresses))
        .routes(routes!(domain::set_interface_link))
        .routes(routes!(domain::set_interface_bandwidth))
        .routes(routes!(domain::agent_command))
        .routes(routes!(domain::filesystems))
        .routes(routes!(domain::freeze))
        .routes(routes!(domain::thaw))
        .routes(routes!(domain::trim))
        .routes(routes!(domain::guest_time))
        .routes(routes!(domain::set_guest_time))
        .routes(routes!(domain::guest_hostname))
        .routes(routes!(domain::guest_vcpus))
        .routes(routes!(domain::set_guest_vcpus))
        .routes(routes!(domain::set_user_password))
        .routes(routes!(console::open))
        .routes(routes!(network::list))
        .routes(routes!(network::define))
        .routes(routes!(network::info))
        .routes(routes!(network::undefine))
        .routes(routes!(network::xml))
        .routes(routes!(network::edit))
        .routes(routes!(network::start))
        .routes(routes!(network::destroy))
        .routes(routes!(network::update))
        .routes(routes!(network::set_autostart))
        .routes(routes!(network::leases))
        .routes(routes!(network::ports))
        .routes(routes!(pool::list))
        .routes(routes!(pool::define))
        .routes(routes!(pool::info))
        .routes(routes!(pool::undefine))
        .routes(routes!(pool::xml))
        .routes(routes!(pool::edit))
        .routes(routes!(pool::build))
        .routes(routes!(pool::start))
        .routes(routes!(pool::destroy))
        .routes(routes!(pool::delete_source))
        .routes(routes!(pool::refresh))
        .routes(routes!(pool::jobs))
        .routes(routes!(pool::sources))
        .routes(routes!(pool::set_autostart))
        .routes(routes!(volume::list))
        .routes(routes!(volume::create))
        .routes(routes!(volume::info))
        .routes(routes!(volume::find))
        .routes(routes!(volume::xml))
        .routes(routes!(volume::delete))
        .routes(routes!(volume::resize))
        .routes(routes!(volume::wipe))
        .routes(routes!(volume::upload))
        .routes(routes!(volume::download))
        .routes(routes!(handed::upload))
        .routes(routes!(handed::download))
        .routes(routes!(filter::list))
        .routes(routes!(filter::define))
        .routes(routes!(filter::undefine))
        .routes(routes!(filter::xml))
        .routes(routes!(secret::list))
        .routes(routes!(secret::define))
        .routes(routes!(secret::undefine))
        .routes(routes!(secret::xml))
        .routes(routes!(secret::set_value))
        .routes(routes!(secret::value))
        .routes(routes!(interface::list))
        .routes(routes!(interface::define))
        .routes(routes!(interface::info))
        .routes(routes!(interface::undefine))
        .routes(routes!(interface::xml))
        .routes(routes!(interface::edit))
        .routes(routes!(interface::start))
        .routes(routes!(interface::destroy))
        .routes(routes!(interface::bridge))
        .routes(routes!(interface::unbridge))
        .routes(routes!(interface::change))
        .routes(routes!(interface::begin))
        .routes(routes!(interface::commit))
        .routes(routes!(interface::roll_back))
        .routes(routes!(policy::list))
        .routes(routes!(policy::show))
        .routes(routes!(policy::unload))
        .routes(routes!(policy::set_mode))
        .routes(routes!(policy::grant))
        .routes(routes!(policy::revoke))
        .routes(routes!(policy::resume))
        .routes(routes!(policy::set))
        .routes(routes!(policy::roll_back))
        .routes(routes!(policy::decisions))
        .routes(routes!(policy::record))
        .routes(routes!(policy::recorded))
        .routes(routes!(policy::stop_recording))
        .routes(routes!(artifact::install))
        .routes(routes!(task::list))
        .routes(routes!(task::run))
        .routes(routes!(task::schedule))
        .routes(routes!(task::logs))
        .routes(routes!(task::activity))
        .routes(routes!(node::info))
        .routes(routes!(node::memory))
        .routes(routes!(node::cpu_models))
        .routes(routes!(node::compare_cpu))
        .routes(routes!(node::baseline_cpu))
        .routes(routes!(node::ksm))
        .routes(routes!(node::set_ksm))
        .routes(routes!(events::follow))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .merge(components)
}

/// The whole service.
pub(crate) fn router(state: ApiState) -> Router {
    let (router, _) = documented().split_for_parts();
    router
        .route("/v1/openapi.json", get(openapi::serve))
        .route("/metrics", get(metrics::serve))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(state.clone(), metrics::observe))
        .with_state(state)
}

/// What other hosts may ask: nothing but what moves guests.
pub(crate) fn peer_router(state: ApiState) -> Router {
    let (router, _) = OpenApiRouter::new()
        .routes(routes!(migration::prepare))
        .routes(routes!(migration::report))
        .routes(routes!(migration::stream))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .split_for_parts();
    router
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(state.clone(), metrics::observe))
        .with_state(state)
}

async fn no_such_path(uri: Uri) -> ApiError {
    let error = Error::new(ErrorCode::NotFound, format!("there is nothing at '{}'", uri.path()));
    error.with_hint("the API is described at /v1/openapi.json").into()
}

async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    ApiError::invalid(format!("{method} is not possible on '{}'", uri.path()))
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}
