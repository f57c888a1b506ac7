//! A panic while one object is reconciled is that object's failure: it is tried again after growing pauses, and the others
//! go on. The panic itself is logged where it happens.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::Resource;
use kube::runtime::controller::Action;

use crate::backoff::Backoff;
use crate::write::key;

/// `reconcile` of `component`, which outlives its panics.
pub fn guarded<K, C, E, F, Fut>(
    component: &'static str,
    mut reconcile: F,
) -> impl FnMut(Arc<K>, Arc<C>) -> BoxFuture<'static, Result<Action, E>>
where
    K: Resource<DynamicType = ()>,
    F: FnMut(Arc<K>, Arc<C>) -> Fut,
    Fut: Future<Output = Result<Action, E>> + Send + 'static,
{
    let backoff = Arc::new(Backoff::<String>::default());
    move |object, context| {
        let (object_key, backoff) = (key(&*object), Arc::clone(&backoff));
        // What is shared is behind locks whose poison nobody minds.
        let reconciled = AssertUnwindSafe(reconcile(object, context)).catch_unwind();
        async move {
            if let Ok(done) = reconciled.await {
                backoff.reset(&object_key);
                return done;
            }
            tracing::error!(
                component,
                object = object_key,
                "a fault of this program: the reconcile panicked; it is tried again"
            );
            Ok(Action::requeue(backoff.next(object_key)))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::api::core::v1::Namespace;

    use super::*;

    async fn panics(namespace: Arc<Namespace>, _: Arc<()>) -> Result<Action, ()> {
        assert_ne!(namespace.metadata.name.as_deref(), Some("bad"), "a fault");
        Ok(Action::await_change())
    }

    #[tokio::test]
    async fn c21_a_panic_is_the_failure_of_one_object() {
        let mut reconcile = guarded("test", panics);
        let mut reconciled = async |name: &str| {
            let mut namespace = Namespace::default();
            namespace.metadata.name = Some(name.to_owned());
            reconcile(Arc::new(namespace), Arc::new(())).await
        };
        let pause = |ms| Ok(Action::requeue(Duration::from_millis(ms)));
        assert_eq!(reconciled("bad").await, pause(200));
        assert_eq!(reconciled("good").await, Ok(Action::await_change()));
        assert_eq!(reconciled("bad").await, pause(400));
    }
}
