mod classic;
mod connect;
mod life;
mod protection;
mod records;
mod refusals;
mod table;
mod world;
