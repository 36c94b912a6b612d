//! `libtriton_panics.so`: panics in the call that the parameter `in` names, as a backend with a bug does.

use hippocamp_backend::{
    Backend, BackendContext, Batch, Error, Instance, InstanceContext, Model, ModelContext,
    export_backend,
};

struct Panics;

struct PanickingModel {
    place: String,
}

struct PanickingInstance {
    place: String,
}

fn panic_in(place: &str, told: &str) {
    assert!(place != told, "told to panic in {place}");
}

impl Backend for Panics {
    type Model = PanickingModel;

    fn initialize(_: &BackendContext<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn load(&self, context: &mut ModelContext<'_>) -> Result<PanickingModel, Error> {
        let place = context.parameter("in").unwrap_or_default().to_owned();
        panic_in("load", &place);
        Ok(PanickingModel { place })
    }
}

impl Model for PanickingModel {
    type Instance = PanickingInstance;

    fn instance(&self, _: &InstanceContext<'_>) -> Result<PanickingInstance, Error> {
        panic_in("instance", &self.place);
        Ok(PanickingInstance { place: self.place.clone() })
    }
}

impl Instance for PanickingInstance {
    fn execute(&mut self, _: &Batch) -> Result<(), Error> {
        panic_in("execute", &self.place);
        Ok(())
    }
}

impl Drop for PanickingInstance {
    fn drop(&mut self) {
        panic_in("drop", &self.place);
    }
}

export_backend!(Panics);
