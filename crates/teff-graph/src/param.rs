//! Parameters: values that training replaces.

use crate::dtype::Type;
use crate::value::Value;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A cell holding a value of a fixed type. Clones are the same cell; equality is identity.
#[derive(Clone)]
pub struct Param(Arc<Cell>);

struct Cell {
    id: u64,
    ty: Type,
    name: Arc<str>,
    value: RwLock<Value>,
}

impl Param {
    /// A new cell holding `value`.
    pub fn new(name: &str, value: Value) -> Param {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Param(Arc::new(Cell { id, ty: value.ty(), name: name.into(), value: RwLock::new(value) }))
    }

    /// A number no other cell of this process has.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Its type, which never changes.
    pub fn ty(&self) -> &Type {
        &self.0.ty
    }

    /// Its name, such as `l1.weight`.
    pub fn name(&self) -> Arc<str> {
        self.0.name.clone()
    }

    /// What it holds now.
    pub fn value(&self) -> RwLockReadGuard<'_, Value> {
        // A panic while the lock is held leaves a whole value behind: elements are plain numbers.
        self.0.value.read().unwrap_or_else(|e| e.into_inner())
    }

    /// What it holds, for writing elements in place. Shape and dtype must stay.
    pub fn value_mut(&self) -> RwLockWriteGuard<'_, Value> {
        self.0.value.write().unwrap_or_else(|e| e.into_inner())
    }

    /// Replaces what it holds.
    ///
    /// # Errors
    /// The types of both, when they differ; nothing is replaced then.
    pub fn set(&self, value: Value) -> Result<(), (Type, Type)> {
        if value.ty() != self.0.ty {
            return Err((self.0.ty.clone(), value.ty()));
        }
        *self.value_mut() = value;
        Ok(())
    }
}

impl PartialEq for Param {
    fn eq(&self, other: &Param) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Param({:?}: {})", self.name(), self.ty())
    }
}
