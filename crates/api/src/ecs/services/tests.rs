mod life;
mod world;
